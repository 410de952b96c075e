"""Query clicks: for each query text, the items chosen after it, decayed with a half-life of 30 days."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state import sketch
from state.rows import Records

HALF_LIFE_DAYS: Final = 30.0
LANDMARK: Final = sketch.LANDMARK


class ChoiceRows(NamedTuple):
    """Query-click rows at one moment, R rows; a slot with item 0 is empty.

    ``item`` (R, SLOTS) u64; ``weight`` (R, SLOTS): what was added since the item entered the row; ``mass``
    (R,): all that was ever added to the row.
    """

    item: NDArray[np.uint64]
    weight: NDArray[np.float32]
    mass: NDArray[np.float32]


def fold(
    rows: Records,
    row: NDArray[np.intp],
    item: NDArray[np.uint64],
    weight: NDArray[np.float32],
    time: NDArray[np.uint32],
) -> None:
    """Add choices to QUERY_CLICK ``rows`` (R,), in place.

    Delta d says that ``item[d]`` was chosen after the query of ``rows[row[d]]`` at ``time[d]`` (Unix seconds)
    with ``weight[d]``, finite and not negative. ``state.sketch`` says what a full row keeps.

    >>> from state.records import QUERY_CLICK
    >>> rows = np.zeros(1, QUERY_CLICK)
    >>> fold(rows, np.array([0]), np.array([7], np.uint64), np.float32([2]), np.array([LANDMARK], np.uint32))
    >>> rows["item"][0, 0], rows["weight"][0, 0], rows["mass"][0]
    (np.uint64(7), np.float64(2.0), np.float64(2.0))
    """
    weights = weight * sketch.growth(time, HALF_LIFE_DAYS)
    rows["mass"] += np.bincount(row, weights, minlength=len(rows))
    deltas = sketch.combine(row, item, weights[np.newaxis])
    sketch.fold(rows["item"], (rows["weight"],), deltas)


def decayed(rows: Records, now_seconds: float) -> ChoiceRows:
    """QUERY_CLICK rows (R,) brought to ``now_seconds``: added then counts 1, 30 days earlier a half."""
    scale = 1 / sketch.growth(now_seconds, HALF_LIFE_DAYS)
    weight, mass = ((rows[name] * scale).astype(np.float32) for name in ("weight", "mass"))
    return ChoiceRows(rows["item"], weight, mass)


def until_doubled(
    rows: Records, row: NDArray[np.intp], weight: NDArray[np.float32], time: NDArray[np.uint32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of D deltas to add so that each row stands where its mass last passed a power of two; which rows did.

    The arguments are those of ``fold``, which changes nothing here; returns (D,) and (R,). The mass is the one in
    forward decay: it passes a power of two at a row's first choice, then about whenever it has doubled, and once a
    half-life when a row is as much in use as before. How deltas are cut into batches does not matter, as
    long as those of a row come in the same order.

    >>> from state.records import QUERY_CLICK
    >>> deltas = np.zeros(3, np.intp), np.float32([1, 1, 1]), np.full(3, LANDMARK, np.uint32)
    >>> [found.tolist() for found in until_doubled(np.zeros(1, QUERY_CLICK), *deltas)]
    [[True, True, False], [True]]
    """
    added = weight * sketch.growth(time, HALF_LIFE_DAYS)
    order = np.argsort(row, kind="stable")
    rank = np.empty(len(row), np.intp)
    rank[order] = sketch.place_in_row(row[order])
    mass, level = rows["mass"].copy(), _level(rows["mass"])
    last = np.full(len(rows), -1, np.intp)
    ends = np.cumsum(np.bincount(rank))
    for turn, some in enumerate(np.split(np.argsort(rank, kind="stable"), ends[:-1])):
        own = row[some]
        mass[own] += added[some]
        found = _level(mass[own])
        last[own[found > level[own]]] = turn
        level[own] = found
    return rank <= last[row], last >= 0


def _level(mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """The power of two at or below each mass; a sum that rounding left just below one counts as it."""
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = np.floor(np.log2(mass) + 1e-9)
    return found
