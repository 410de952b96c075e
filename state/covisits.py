"""Co-visits: for each item, its heaviest neighbours in users' histories, with a half-life of 60 days."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state import sketch
from state.rows import Rows

HALF_LIFE_DAYS: Final = 60.0
LANDMARK: Final = sketch.LANDMARK


class Neighbours(NamedTuple):
    """Co-visit rows at one moment, R rows; a slot with item 0 is empty.

    ``item`` (R, SLOTS) u64; ``after`` and ``together`` (R, SLOTS): what was added since the neighbour entered
    the row; ``mass`` (R, 2): all that was ever added to the row, of both.
    """

    item: NDArray[np.uint64]
    after: NDArray[np.float32]
    together: NDArray[np.float32]
    mass: NDArray[np.float32]


def fold(
    rows: Rows,
    row: NDArray[np.intp],
    item: NDArray[np.uint64],
    after: NDArray[np.float32],
    together: NDArray[np.float32],
    time: NDArray[np.uint32],
) -> None:
    """Add neighbours to COVISIT ``rows`` (R,), in place.

    Delta d says that ``item[d]`` is a neighbour of the item of ``rows[row[d]]``, seen at ``time[d]`` (Unix
    seconds), with the weights ``after[d]`` and ``together[d]``, finite and not negative. What a full row
    keeps, ``state.sketch`` says.

    >>> from state.records import COVISIT
    >>> rows = np.zeros(1, COVISIT)
    >>> day = np.array([LANDMARK], np.uint32)
    >>> first, seven = np.array([0]), np.array([7], np.uint64)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0.5]), day)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0]), day + 60 * 86400)
    >>> rows["item"][0, 0], rows["after"][0, 0], rows["together"][0, 0]
    (np.uint64(7), np.float64(3.0), np.float64(0.5))
    """
    weights = np.stack([after, together]) * sketch.growth(time, HALF_LIFE_DAYS)
    for column, weight in enumerate(weights):
        rows["mass"][:, column] += np.bincount(row, weight, minlength=len(rows))
    deltas = sketch.combine(row, item, weights)
    sketch.fold(rows["item"], (rows["after"], rows["together"]), deltas)


def decayed(rows: Rows, now_seconds: float) -> Neighbours:
    """COVISIT rows (R,) brought to ``now_seconds``: what was added then counts 1, 60 days earlier a half."""
    scale = 1 / sketch.growth(now_seconds, HALF_LIFE_DAYS)
    sums = ((rows[name] * scale).astype(np.float32) for name in ("after", "together", "mass"))
    return Neighbours(rows["item"], *sums)
