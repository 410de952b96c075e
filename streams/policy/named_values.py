"""Settings that hold by default and differ by name: ``2``, ``0,home=2``, ``0,food=0,electronics=90``."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from streamrank_client.errors import SettingsError


@dataclass(frozen=True, slots=True)
class ByName:
    """``default``, and the values that names have instead, in the order given."""

    default: float
    named: tuple[tuple[str, float], ...] = ()

    def over(self, names: Collection[str]) -> tuple[tuple[str, float], ...]:
        """The values by name, those of ``names`` that are not named by default."""
        return tuple({**dict.fromkeys(names, self.default), **dict(self.named)}.items())


def parse_by_name(
    text: str, variable: str, *, names: Collection[str] = (), whole: bool = False, most: float = math.inf
) -> ByName:
    """Parts separated by commas: a number, the default (0 where there is none), or ``name=number``.

    ``names``: those that may be named, any when empty; numbers are from 0 to ``most``, ``whole`` ones only where it
    says so. Raises SettingsError naming the variable and the part.

    >>> parse_by_name("1,home=3", "X", names=("home",)).over(("home", "cart"))
    (('home', 3.0), ('cart', 1.0))
    """
    default: float | None = None
    named: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (piece.strip() for piece in part.rpartition("="))
        wrong = f"{variable}={text!r}: {part!r}: "
        try:
            value = float(number)
        except ValueError:
            raise SettingsError(f"{wrong}expected a number, or name=number") from None
        if not 0 <= value <= most or value == math.inf or (whole and value != int(value)):
            kind = "a whole number" if whole else "a number"
            raise SettingsError(
                f"{wrong}expected {kind} " + ("of 0 or more" if most == math.inf else f"from 0 to {most:g}")
            )
        if equals and not name:
            raise SettingsError(f"{wrong}no name before '='")
        if name and names and name not in names:
            raise SettingsError(f"{wrong}{name!r} is none of {', '.join(names)}")
        if name in named or (not name and default is not None):
            raise SettingsError(f"{wrong}given twice")
        if name:
            named[name] = value
        else:
            default = value
    return ByName(default or 0.0, tuple(named.items()))
