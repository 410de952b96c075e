"""What is wrong with the settings: variables that are none, and what workers would refuse when they start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Final

from streamrank_client.errors import SettingsError
from streamrank_client.settings import given
from streams.lookup.check import Check
from streams.settings import Settings, variable

__all__ = ["misspelt", "settings_checks"]

#: what begins alike and is read by others: the pytest plugin, tests, the compose file
OTHERS: Final = frozenset(
    ("STREAMRANK_COMMAND", "STREAMRANK_DATA", "STREAMRANK_IMAGE", "STREAMRANK_LOCK", "STREAMRANK_REQUIRE_DATA",
     "STREAMRANK_REQUIRE_SERVERS")
)  # fmt: skip


def misspelt(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables ``STREAMRANK_…`` that are no setting, each with the nearest one, empty where none is near.

    >>> misspelt({"STREAMRANK_PARTITION": "4", "STREAMRANK_WEB_PORT": "1"})
    {'STREAMRANK_PARTITION': 'STREAMRANK_PARTITIONS'}
    """
    known = [variable(f.name) for f in fields(Settings)]
    names = (given() if environ is None else environ).keys() - OTHERS - set(known)
    return {name: "".join(get_close_matches(name, known, 1, 0.8)) for name in sorted(names)}


def settings_checks(settings: Settings) -> Iterator[Check]:
    """All checks of the settings."""
    wrong = misspelt()
    for name, nearest in wrong.items():
        remedy = f"did you mean {nearest}?" if nearest else "docs/settings.md lists all of them: remove it"
        yield Check("settings", "warn", f"{name} is no setting, and has no effect", remedy)
    try:
        from models.base.errors import ModelError
        from streams.policy.plans import plan_of
    except ImportError:
        return  # that models cannot be loaded is told by the artifacts' check
    try:
        plan_of(settings)
    except SettingsError as error:
        yield Check("settings", "fail", str(error), "correct it: workers do not start")
    except ModelError as error:
        yield Check("settings", "fail", error.what, error.remedy)
    else:
        if not wrong:
            yield Check("settings", "ok", "every variable is a setting, and workers can use them")
