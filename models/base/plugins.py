"""What installed packages add to streamrank: sources, feature families, adjustments, baselines, importers.

A package names its classes or objects as entry points, in ``pyproject.toml``::

    [project.entry-points."streamrank.sources"]
    seasonal = "shop.seasonal:Seasonal"
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, TypeVar

from models.base.errors import ModelError

T = TypeVar("T")


def installed(group: str, kind: type[T]) -> list[T]:
    """The objects of a kind that packages name in an entry point group, by name; a class is called without arguments.

    Raises ModelError naming the entry point that cannot be loaded, or that is of another kind.
    """
    found: list[T] = []
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        try:
            thing: Any = point.load()
        except (ImportError, AttributeError) as error:
            raise _wrong(group, point.name, point.value, str(error)) from error
        made = thing() if isinstance(thing, type) else thing
        if not isinstance(made, kind):
            raise _wrong(group, point.name, point.value, f"it is no {kind.__name__}")
        found.append(made)
    return found


def _wrong(group: str, name: str, value: str, reason: str) -> ModelError:
    remedy = "mend the package that names it, or uninstall it."
    return ModelError(f"entry point {name} = {value!r} of {group}: {reason}.", remedy)
