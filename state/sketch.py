"""Bounded rows: the heaviest items of each row, with exact sums until a row overflows.

A sketch is many rows of S slots. A slot holds an item (0: empty) and W weights: what was really added since
the item entered the row. While no row overflows, adding is all there is, so neither the order of the deltas
nor their cut into batches matters (but for rounding).

When a batch brings a full row items that it does not hold, the heaviest newcomer meets the lightest slot, the
second heaviest the second lightest, and so on. The first S / 4 always enter: there an item collects weight
until it stands among the others. Any further one enters if it is heavier than the slot it meets. For a row to
which N was added in all this promises, whatever comes in whatever order:

* weights never exceed the truth, and are exact for an item that was never pushed out;
* an item with more than N / (S - S / 4) in its slot stays, and one that brings as much in a batch enters.

Space-saving and Misra-Gries (Agarwal et al. 2012, "Mergeable summaries") promise more, that an item's whole
weight is known to N / S, but keep fewer of the neighbours that matter in the same memory: see
docs/decisions/0008-bounded-rows.md.

All functions are whole-array numpy, and deterministic on any machine: ties go to the lower slot and item.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Items = NDArray[np.uint64]
Sums = NDArray[np.float64]
Index = NDArray[np.intp]

#: Forward decay (Cormode et al. 2009) counts from here, in Unix seconds.
LANDMARK: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
DAY: Final = 86_400

#: The lightest 1 / DOOR of a full row's slots are open to newcomers of any weight.
DOOR: Final = 4

#: Decay stands still so many half-lives from the landmark (82 years at 30 days): no sum may overflow a double.
_FARTHEST: Final = 1_000.0

_ITEM_BITS: Final = np.uint64(44)
_LOW_BITS: Final = np.uint64(20)
_WEIGHT_SHIFT: Final = np.uint64(19)
_WEIGHT_MASK: Final = np.uint64((1 << 44) - 1)


class SketchDeltas(NamedTuple):
    """SketchDeltas with distinct (row, item), in order of row, then item.

    ``row`` (u,), ``item`` (u,), ``weights`` (W, u).
    """

    row: Index
    item: Items
    weights: Sums


def growth(time: NDArray[np.uint32] | float, half_life_days: float, landmark: int = LANDMARK) -> Sums:
    """Forward-decay factor of a moment in Unix seconds: 2 ** ((time - landmark) / half-life).

    >>> float(growth(LANDMARK + 60 * DAY, half_life_days=60))
    2.0
    """
    seconds = np.asarray(time, np.float64) - landmark
    half_lives = np.clip(seconds / (half_life_days * DAY), -_FARTHEST, _FARTHEST)
    return np.asarray(np.exp2(half_lives), np.float64)


def combine(row: Index, item: Items, weights: Sums) -> SketchDeltas:
    """Sum the deltas of equal (row, item); deltas that add nothing at all are left out.

    ``row`` (d,) from 0 to 2 ** 20 - 1, ``item`` (d,) never 0, ``weights`` (W, d) finite and not negative.
    """
    # One sort of one word: items are hashes, so row and the item's upper 44 bits nearly always tell apart.
    word = (row.astype(np.uint64) << _ITEM_BITS) | (item >> _LOW_BITS)
    order = np.argsort(word)
    word, sorted_item = word[order], item[order]
    first = np.empty(len(order), np.bool_)
    first[:1] = True
    np.not_equal(word[1:], word[:-1], out=first[1:])
    if np.any(sorted_item[1:][~first[1:]] != sorted_item[:-1][~first[1:]]):
        order = np.lexsort((item, row))
        sorted_item, sorted_row = item[order], row[order]
        first[1:] = (sorted_item[1:] != sorted_item[:-1]) | (sorted_row[1:] != sorted_row[:-1])
    group = np.empty(len(order), np.intp)
    group[order] = np.cumsum(first) - 1
    starts = order[first]
    # bincount adds in the order of the input, which no sort of another machine can change.
    sums = np.empty((len(weights), len(starts)))
    for total, weight in zip(sums, weights, strict=True):
        total[:] = np.bincount(group, weight, minlength=len(starts))
    kept = sums.sum(axis=0) > 0
    return SketchDeltas(row[starts][kept], item[starts][kept], sums[:, kept])


def fold(items: Items, weights: Sequence[Sums], deltas: SketchDeltas) -> None:
    """Add combined deltas to the rows, in place.

    ``items`` and each of the W ``weights``: (rows, S), S from 4 to 64, full slots before empty ones.
    """
    slot = _find(items, deltas)
    hit = np.flatnonzero(slot >= 0)
    at = (deltas.row[hit], slot[hit])
    for column, delta in zip(weights, deltas.weights, strict=True):
        column[at] += delta[hit]
    misses = _pick(deltas, np.flatnonzero(slot < 0))
    used = np.count_nonzero(items, axis=1)
    fits = (used + np.bincount(misses.row, minlength=len(items)) <= items.shape[1])[misses.row]
    appended = _pick(misses, fits)
    _put(items, weights, appended, used[appended.row] + place_in_row(appended.row))
    if not fits.all():
        _replace(items, weights, _pick(misses, ~fits))


def _pick(deltas: SketchDeltas, which: Index | NDArray[np.bool_]) -> SketchDeltas:
    return SketchDeltas(deltas.row[which], deltas.item[which], deltas.weights[:, which])


def _find(items: Items, deltas: SketchDeltas) -> Index:
    """Slot of each delta's item in its row, -1 where the row does not hold it."""
    slot = np.full(len(deltas.row), -1, np.intp)
    columns = np.ascontiguousarray(items.T)
    for number, column in enumerate(columns):
        slot[np.flatnonzero(column.take(deltas.row) == deltas.item)] = number
    return slot


def place_in_row(row: Index) -> Index:
    """Place of each entry among those of its row; ``row`` is sorted.

    >>> place_in_row(np.array([4, 4, 7, 7, 7])).tolist()
    [0, 1, 0, 1, 2]
    """
    start = np.concatenate([[True], row[1:] != row[:-1]])[: len(row)]
    begins = np.flatnonzero(start)
    return np.arange(len(row)) - np.repeat(begins, np.diff(begins, append=len(row)))


def _put(items: Items, weights: Sequence[Sums], deltas: SketchDeltas, slot: Index) -> None:
    items[deltas.row, slot] = deltas.item
    for column, delta in zip(weights, deltas.weights, strict=True):
        column[deltas.row, slot] = delta


def _replace(items: Items, weights: Sequence[Sums], misses: SketchDeltas) -> None:
    """Let the misses of overflowing rows take the places of lighter slots, or of the lightest quarter."""
    slots = items.shape[1]
    misses = _heaviest_first(misses)
    rank = place_in_row(misses.row)
    misses, rank = _pick(misses, rank < slots), rank[rank < slots]
    rows = misses.row[rank == 0]
    place = np.cumsum(rank == 0) - 1
    total = np.zeros((len(rows), slots))
    for column in weights:
        total += column[rows]
    slot = _lightest_first(total)[place, rank]
    enters = (rank < slots // DOOR) | (misses.weights.sum(axis=0) > total[place, slot])
    _put(items, weights, _pick(misses, enters), slot[enters])


def _heaviest_first(deltas: SketchDeltas) -> SketchDeltas:
    """Order by row, then falling weight (its upper 45 bits), then item."""
    # Positive doubles order as their bits do.
    bits = deltas.weights.sum(axis=0).view(np.uint64) >> _WEIGHT_SHIFT
    word = (deltas.row.astype(np.uint64) << _ITEM_BITS) | (_WEIGHT_MASK - bits)
    return _pick(deltas, np.argsort(word, kind="stable"))


def _lightest_first(total: Sums) -> Index:
    """Slots of each row in order of weight, ties by slot: a sort of the weights' bits, the slot in the last.

    >>> _lightest_first(np.array([[3.0, 0.0, 2.0, 0.0]])).tolist()
    [[1, 3, 2, 0]]
    """
    mask = np.uint64((1 << (total.shape[1] - 1).bit_length()) - 1)
    words = (total.view(np.uint64) & ~mask) | np.arange(total.shape[1], dtype=np.uint64)
    words.sort(axis=1)
    return (words & mask).astype(np.intp)
