"""What installed packages add to streamrank: sources, feature families, adjustments, baselines, importers.

A package names its classes or objects as entry points, in ``pyproject.toml``::

    [project.entry-points."streamrank.sources"]
    seasonal = "shop.seasonal:Seasonal"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from models.base.errors import ModelError

T = TypeVar("T")


def installed(group: str, kind: type[T]) -> list[T]:
    """The objects of a kind that packages name in an entry point group, by name; a class is called without arguments.

    Raises ModelError naming the entry point that cannot be loaded, or that is of another kind.
    """
    made = [(point, thing() if isinstance(thing, type) else thing) for point, thing in _loaded(group)]
    for point, thing in made:
        if not isinstance(thing, kind):
            raise _wrong(point, f"it is no {kind.__name__}")
    return [thing for _, thing in made]


def installed_types(group: str, kind: type[T]) -> list[type[T]]:
    """The classes below ``kind`` that packages name in an entry point group, by name. Raises as ``installed``."""
    loaded = _loaded(group)
    for point, thing in loaded:
        if not (isinstance(thing, type) and issubclass(thing, kind)):
            raise _wrong(point, f"it is no class below {kind.__name__}")
    return [thing for _, thing in loaded]


def _loaded(group: str) -> list[tuple[EntryPoint, Any]]:
    loaded = []
    for point in sorted(entry_points(group=group), key=lambda one: one.name):
        try:
            loaded.append((point, point.load()))
        except (ImportError, AttributeError) as error:
            raise _wrong(point, str(error)) from error
    return loaded


def _wrong(point: EntryPoint, reason: str) -> ModelError:
    remedy = "mend the package that names it, or uninstall it."
    return ModelError(f"entry point {point.name} = {point.value!r} of {point.group}: {reason}.", remedy)
