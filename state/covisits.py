"""Co-visits: for each item, its heaviest neighbours in users' histories, with three weights each.

``after``: among a user's next five items; ``together``: within an hour; ``wide``: within ten events,
either way, or within an hour. All halve in five years: what is popular at the moment other sources tell, and shorter
half-lives lost on every log (docs/decisions/0016-neighbours.md, 0018-whole-baskets.md).

Which neighbours stay: a row is filled first come, first served. From then on a newcomer takes its ``wide`` weight from
that of the lightest neighbour, and its place once nothing is left of it (Misra and Gries, "Finding repeated elements",
1982, with one counter in place of all). So what is added to a row is weighed in the order in which it comes, and
how it is cut into batches does not matter.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state import sketch
from state.compiled import compiled
from state.records import NEIGHBOURS
from state.rows import Rows

HALF_LIFE_DAYS: Final = 5 * 365.0
LANDMARK: Final = sketch.LANDMARK

#: Where the fields of a COVISIT begin, in units of their own (tests/state/test_covisits.py holds the two together).
_ITEM: Final = 3
_AFTER: Final = 2 * (_ITEM + NEIGHBOURS)
_TOGETHER: Final = _AFTER + NEIGHBOURS
_WIDE: Final = _TOGETHER + NEIGHBOURS

Floats = NDArray[np.float32]
Items = NDArray[np.uint64]


class Neighbours(NamedTuple):
    """Co-visit rows at one moment, R rows; a slot with item 0 is empty.

    ``item`` (R, NEIGHBOURS) u64; ``weights`` (3, R, NEIGHBOURS): ``after``, ``together`` and ``wide``, what was added
    since the neighbour entered the row; ``mass`` (R, 3): all that was ever added to the row, of each.
    """

    item: Items
    weights: Floats
    mass: Floats


def fold(
    rows: Rows,
    row: NDArray[np.intp],
    item: Items,
    after: NDArray[np.floating],
    together: NDArray[np.floating],
    wide: NDArray[np.floating],
    time: NDArray[np.uint32],
) -> None:
    """Add neighbours to COVISIT ``rows`` (R,), in place and in order.

    Delta d says that ``item[d]``, never 0, is a neighbour of the item of ``rows[row[d]]``, seen at ``time[d]`` (Unix
    seconds), with the weights ``after[d]``, ``together[d]`` and ``wide[d]``, finite and not negative.

    >>> from state.records import COVISIT
    >>> rows = np.zeros(1, COVISIT)
    >>> day = np.array([LANDMARK], np.uint32)
    >>> first, seven = np.array([0]), np.array([7], np.uint64)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0.5]), np.float32([1]), day)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0]), np.float32([1]), day + 1825 * 86400)
    >>> rows["item"][0, 0], rows["after"][0, 0], rows["together"][0, 0]
    (np.uint64(7), np.float32(3.0), np.float32(0.5))
    """
    if not len(row):
        return
    growth = sketch.growth(time, HALF_LIFE_DAYS)
    weights = np.empty((3, len(row)))
    for column, given in zip(weights, (after, together, wide), strict=True):
        np.multiply(given, growth, out=column)
    for number, column in enumerate(weights):
        rows["mass"][:, number] += np.bincount(row, column, minlength=len(rows))
    words: Items = rows.view(np.uint64).reshape(len(rows), -1)
    singles: Floats = rows.view(np.float32).reshape(len(rows), -1)
    bits: NDArray[np.int32] = rows.view(np.int32).reshape(len(rows), -1)
    # of one type each, or it would be compiled again for another
    row, item = np.ascontiguousarray(row), np.ascontiguousarray(item)
    _add(words, singles, bits, row, item, weights.astype(np.float32))


@compiled
def _add(
    words: Items,
    singles: Floats,
    bits: NDArray[np.int32],
    row: NDArray[np.intp],
    item: Items,
    weights: Floats,
) -> None:
    """Add deltas one by one; ``words``, ``singles`` and ``bits`` are the rows' bytes as u64, f32 and i32, a row each.

    Most deltas bring what a full row does not hold. So whole rows are looked through without a way out, which takes
    few instructions of the processor; and weights, never negative, are compared by their bits, whose order is the same.
    """
    for d in range(len(row)):
        held = words[row[d], _ITEM : _ITEM + NEIGHBOURS]
        light = bits[row[d], _WIDE : _WIDE + NEIGHBOURS]
        own, new = singles[row[d]], item[d]
        there = False
        for place in range(NEIGHBOURS):
            there |= held[place] == new
        slot = 0
        if there or held[NEIGHBOURS - 1] == 0:
            while held[slot] != new and held[slot] != 0:
                slot += 1
        else:
            least = light[0]
            for place in range(NEIGHBOURS):
                least = min(least, light[place])
            slot = NEIGHBOURS
            for place in range(NEIGHBOURS):
                slot = min(slot, place if light[place] == least else NEIGHBOURS)
            if own[_WIDE + slot] > weights[2, d]:
                own[_WIDE + slot] -= weights[2, d]
                continue
            own[_AFTER + slot] = own[_TOGETHER + slot] = own[_WIDE + slot] = 0.0
        held[slot] = new
        own[_AFTER + slot] += weights[0, d]
        own[_TOGETHER + slot] += weights[1, d]
        own[_WIDE + slot] += weights[2, d]


def decayed(rows: Rows, now_seconds: float) -> Neighbours:
    """COVISIT rows (R,) brought to ``now_seconds``: what was added then counts 1, five years earlier a half."""
    scale = 1 / sketch.growth(now_seconds, HALF_LIFE_DAYS)
    weights = np.stack([rows[name] for name in ("after", "together", "wide")])
    return Neighbours(rows["item"], weights * np.float32(scale), (rows["mass"] * scale).astype(np.float32))
