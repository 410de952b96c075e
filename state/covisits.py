"""Co-visits: for each item, its heaviest neighbours in users' histories, in three relations.

``near``: among a user's next five items, directed and within an hour, with a half-life of 60 days. ``wide``: among
the twenty before and after, undirected, with a half-life of a year: tastes. ``recent``: the same with a half-life of
ten days: seasons, offers, what is new. Each keeps its own neighbours, because what is heavy in one is light in another.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state import sketch
from state.rows import Rows

HALF_LIFE_DAYS: Final = 60.0
WIDE_DAYS: Final = 365.0
RECENT_DAYS: Final = 10.0
LANDMARK: Final = sketch.LANDMARK
#: A short half-life counts from a nearer day: a double holds 1,000 doublings, here 1992 to 2047.
RECENT_LANDMARK: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())


class Relation(NamedTuple):
    """Where a relation's neighbours stand in COVISIT: fields of ``items``, of their ``weights``, of the row's ``mass``
    (one number a weight); and how it forgets.
    """

    items: str
    weights: tuple[str, ...]
    mass: str
    half_life_days: float
    landmark: int


RELATIONS: Final = (
    Relation("item", ("after", "together"), "mass", HALF_LIFE_DAYS, LANDMARK),
    Relation("wide_item", ("wide",), "wide_mass", WIDE_DAYS, LANDMARK),
    Relation("recent_item", ("recent",), "recent_mass", RECENT_DAYS, RECENT_LANDMARK),
)

Floats = NDArray[np.float32]
Items = NDArray[np.uint64]


class Undirected(NamedTuple):
    """One undirected relation of R rows: ``item`` (R, SLOTS) u64, ``weight`` (R, SLOTS), ``mass`` (R,)."""

    item: Items
    weight: Floats
    mass: Floats


class Neighbours(NamedTuple):
    """Co-visit rows at one moment, R rows; a slot with item 0 is empty.

    ``item`` (R, SLOTS) u64; ``after`` and ``together`` (R, SLOTS): what was added since the neighbour entered
    the row; ``mass`` (R, 2): all that was ever added to the row, of both; ``wide`` and ``recent``: the other two
    relations.
    """

    item: Items
    after: Floats
    together: Floats
    mass: Floats
    wide: Undirected
    recent: Undirected


def fold(
    rows: Rows,
    row: NDArray[np.intp],
    item: Items,
    after: NDArray[np.floating],
    together: NDArray[np.floating],
    wide: NDArray[np.floating],
    time: NDArray[np.uint32],
) -> None:
    """Add neighbours to COVISIT ``rows`` (R,), in place.

    Delta d says that ``item[d]`` is a neighbour of the item of ``rows[row[d]]``, seen at ``time[d]`` (Unix
    seconds), with the weights ``after[d]``, ``together[d]`` and ``wide[d]`` (of both undirected relations), finite
    and not negative. What a full row keeps, ``state.sketch`` says.

    >>> from state.records import COVISIT
    >>> rows = np.zeros(1, COVISIT)
    >>> day = np.array([LANDMARK], np.uint32)
    >>> first, seven = np.array([0]), np.array([7], np.uint64)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0.5]), np.float32([1]), day)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0]), np.float32([1]), day + 60 * 86400)
    >>> rows["item"][0, 0], rows["after"][0, 0], rows["together"][0, 0]
    (np.uint64(7), np.float64(3.0), np.float64(0.5))
    """
    strength = {"after": after, "together": together, "wide": wide, "recent": wide}
    columns = []
    for relation in RELATIONS:
        growth = sketch.growth(time, relation.half_life_days, relation.landmark)
        added = [strength[name] * growth for name in relation.weights]
        mass = rows[relation.mass].reshape(len(rows), len(added))
        for number, weight in enumerate(added):
            mass[:, number] += np.bincount(row, weight, minlength=len(rows))
        columns += added
    deltas, begin = sketch.combine(row, item, np.array(columns)), 0
    for relation in RELATIONS:
        end = begin + len(relation.weights)
        part = sketch.Deltas(deltas.row, deltas.item, deltas.weights[begin:end])
        some = np.flatnonzero(part.weights.sum(axis=0) > 0)
        weights = [rows[name] for name in relation.weights]
        sketch.fold(rows[relation.items], weights, part if len(some) == len(part.row) else sketch.pick(part, some))
        begin = end


def decayed(rows: Rows, now_seconds: float) -> Neighbours:
    """COVISIT rows (R,) brought to ``now_seconds``: what was added then counts 1, a half-life earlier a half."""
    scale = 1 / sketch.growth(now_seconds, HALF_LIFE_DAYS)
    after, together, mass = ((rows[name] * scale).astype(np.float32) for name in ("after", "together", "mass"))
    wide = _undirected(rows, "wide", 1 / sketch.growth(now_seconds, WIDE_DAYS))
    recent = _undirected(rows, "recent", 1 / sketch.growth(now_seconds, RECENT_DAYS, RECENT_LANDMARK))
    return Neighbours(rows["item"], after, together, mass, wide, recent)


def _undirected(rows: Rows, name: str, scale: NDArray[np.float64]) -> Undirected:
    weight, mass = ((rows[field] * scale).astype(np.float32) for field in (name, name + "_mass"))
    return Undirected(rows[name + "_item"], weight, mass)
