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
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import as_strided
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

#: bits of a weight that order newcomers: the exponent and 33 of the mantissa
_WEIGHT_SHIFT: Final = np.uint64(19)
_WORD: Final = 64
#: places an item's lowest bits may point to in its row's index, for each slot: a sixteenth is full at most
_SPREAD: Final = 16


class Deltas(NamedTuple):
    """Deltas with distinct (row, item), in order of row, then item.

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


def combine(row: Index, item: Items, weights: Sums) -> Deltas:
    """Sum the deltas of equal (row, item); deltas that add nothing at all are left out.

    ``row`` (d,) from 0 to 2 ** 20 - 1, ``item`` (d,) never 0, ``weights`` (W, d) finite and not negative.
    """
    if not len(row):
        return Deltas(row, item, weights)
    order = _by_row_and_item(row, item)
    row, item = row.take(order), item.take(order)
    first = np.empty(len(order), np.bool_)
    first[0] = True
    np.logical_or(item[1:] != item[:-1], row[1:] != row[:-1], out=first[1:])
    starts, group = np.flatnonzero(first), np.cumsum(first) - 1
    # the order is stable: each sum adds in the order of the input, which no sort of another machine can change
    sums = np.array([np.bincount(group, weight.take(order), minlength=len(starts)) for weight in weights])
    combined = Deltas(row.take(starts), item.take(starts), sums)
    kept = np.flatnonzero(sums.sum(axis=0) > 0)
    return combined if len(kept) == len(starts) else pick(combined, kept)


def _by_row_and_item(row: Index, item: Items) -> Index:
    """Stable order by row, then item."""
    # Items are hashes: beside row and place there is room for enough of their upper bits to tell them apart.
    low = (len(row) - 1).bit_length()
    high = _WORD - int(row.max()).bit_length()
    word = row.astype(np.uint64)
    word <<= np.uint64(high)
    word |= item >> np.uint64(_WORD - high + low) << np.uint64(low)
    order = _order_of(word, low)
    by_row, by_item = row.take(order), item.take(order)
    if np.any((by_item[1:] < by_item[:-1]) & (by_row[1:] == by_row[:-1])):
        return np.lexsort((item, row))
    return order


def _order_of(words: Items, low: int) -> Index:
    """Stable order of words whose ``low`` lowest bits are 0, and have room for each word's place.

    A sort of whole words is ten times as fast as a stable one of places.

    >>> _order_of(np.array([8, 4, 8, 0], np.uint64), 2).tolist()
    [3, 1, 0, 2]
    """
    placed = words | np.arange(len(words), dtype=np.uint64)
    placed.sort()
    placed &= np.uint64((1 << low) - 1)
    return placed.view(np.intp)


def fold(items: Items, weights: Sequence[Sums], deltas: Deltas) -> None:
    """Add combined deltas to the rows, in place.

    ``items`` and each of the W ``weights``: (rows, S), S from 4 to 64, full slots before empty ones; arrays of their
    own, or fields of one whose records are whole 8-byte words.
    """
    if not len(deltas.row):
        return
    columns = _Columns.of(items, weights)
    slot = _find(items, columns, deltas)
    hit, missed = np.flatnonzero(slot >= 0), np.flatnonzero(slot < 0)
    at = columns.places(deltas.row.take(hit), slot.take(hit))
    for column, delta in zip(columns.weights, deltas.weights, strict=True):
        column[at] += delta.take(hit)
    row = deltas.row.take(missed)
    used, new = _used(items), np.bincount(row, minlength=len(items))
    rank = np.arange(len(row)) - (np.cumsum(new) - new).take(row)
    fits = (used + new <= items.shape[1]).take(row)
    appended, others = np.flatnonzero(fits), np.flatnonzero(~fits)
    slot = (used.take(row) + rank).take(appended)
    columns.put(slot, deltas, missed.take(appended))
    if len(others):
        _replace(columns, weights, pick(deltas, missed.take(others)), rank.take(others))


def pick(deltas: Deltas, which: Index) -> Deltas:
    """Some of the deltas, by their places."""
    return Deltas(deltas.row.take(which), deltas.item.take(which), deltas.weights.take(which, axis=1))


class _Columns(NamedTuple):
    """The columns of all rows as the flat memory that they lie in: one index a number costs a fifth of two.

    ``step``: numbers from one row to the next.
    """

    items: Items
    weights: tuple[Sums, ...]
    step: int

    @classmethod
    def of(cls, items: Items, weights: Sequence[Sums]) -> Self:
        step, (rows, slots) = items.strides[0] // items.itemsize, items.shape
        shape, stride = ((rows - 1) * step + slots,), items.strides[1:]
        return cls(as_strided(items, shape, stride), tuple(as_strided(w, shape, stride) for w in weights), step)

    def places(self, row: Index, slot: Index) -> Index:
        at = row * self.step
        at += slot
        return at

    def put(self, slot: Index, deltas: Deltas, which: Index) -> None:
        """Write ``which`` of the deltas into slots of their rows."""
        at = self.places(deltas.row.take(which), slot)
        self.items[at] = deltas.item.take(which)
        for column, values in zip(self.weights, deltas.weights, strict=True):
            column[at] = values.take(which)


def _find(items: Items, columns: _Columns, deltas: Deltas) -> Index:
    """Slot of each delta's item in its row, -1 where the row does not hold it."""
    size, slots = items.shape
    # an index of each row by its items' lowest bits, slot + 1; of two items with the same bits one is there
    wide = 1 << (slots * _SPREAD - 1).bit_length()
    mask, start = np.uint64(wide - 1), np.arange(0, size * wide, wide, dtype=np.uint64)
    index = np.zeros(size * wide, np.uint8)
    place = items & mask
    place += start[:, np.newaxis]
    index[place.view(np.intp).ravel()] = np.tile(np.arange(1, slots + 1, dtype=np.uint8), size)
    place = deltas.item & mask
    place += start.take(deltas.row)
    slot = index.take(place.view(np.intp)).astype(np.intp)
    slot -= 1
    there = np.flatnonzero(slot >= 0)
    found = columns.items.take(columns.places(deltas.row.take(there), slot.take(there)))
    doubtful = there.take(np.flatnonzero(found != deltas.item.take(there)))
    same = items[deltas.row.take(doubtful)] == deltas.item.take(doubtful)[:, np.newaxis]
    slot[doubtful] = np.where(same.any(axis=1), same.argmax(axis=1), -1)
    return slot


def _used(items: Items) -> Index:
    """How many slots of each row are full."""
    slots = items.shape[1]
    used = np.full(len(items), slots)
    some = np.flatnonzero(items[:, -1] == 0)
    used[some] = np.count_nonzero(items[some], axis=1)
    return used


def place_in_row(row: Index) -> Index:
    """Place of each entry among those of its row; ``row`` is sorted.

    >>> place_in_row(np.array([4, 4, 7, 7, 7])).tolist()
    [0, 1, 0, 1, 2]
    """
    start = np.concatenate([[True], row[1:] != row[:-1]])[: len(row)]
    begins = np.flatnonzero(start)
    return np.arange(len(row)) - np.repeat(begins, np.diff(begins, append=len(row)))


def _replace(columns: _Columns, weights: Sequence[Sums], misses: Deltas, rank: Index) -> None:
    """Let the misses of overflowing rows take the places of lighter slots, or of the lightest quarter.

    ``rank``: of each among the misses of its row.
    """
    slots = weights[0].shape[1]
    begins = np.flatnonzero(rank == 0)
    place = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(rank)))
    added = misses.weights.sum(axis=0)
    order = _heaviest_first(place, added)
    total = np.zeros((len(begins), slots))
    for column in weights:
        total += column[misses.row.take(begins)]
    # whoever comes after the last slot could not enter
    near = np.flatnonzero(rank < slots)
    order, place, rank = order.take(near), place.take(near) * slots, rank.take(near)
    slot = _lightest_first(total).ravel().take(place + rank)
    place += slot
    enters = np.flatnonzero((rank < slots // DOOR) | (added.take(order) > total.ravel().take(place)))
    columns.put(slot.take(enters), misses, order.take(enters))


def _heaviest_first(place: Index, weight: Sums) -> Index:
    """Stable order by ``place`` (sorted), then falling weight (its upper 45 bits)."""
    # positive doubles order as their bits do
    bits = weight.view(np.uint64) >> _WEIGHT_SHIFT
    lighter = bits.max() - bits
    low, middle = (len(place) - 1).bit_length(), int(lighter.max()).bit_length()
    if low + middle + int(place[-1]).bit_length() > _WORD:
        return np.lexsort((lighter, place))
    word = place.astype(np.uint64)
    word <<= np.uint64(middle)
    word |= lighter
    word <<= np.uint64(low)
    return _order_of(word, low)


def _lightest_first(total: Sums) -> Index:
    """Slots of each row in order of weight, ties by slot: a sort of the weights' bits, the slot in the last.

    >>> _lightest_first(np.array([[3.0, 0.0, 2.0, 0.0]])).tolist()
    [[1, 3, 2, 0]]
    """
    mask = np.uint64((1 << (total.shape[1] - 1).bit_length()) - 1)
    words = (total.view(np.uint64) & ~mask) | np.arange(total.shape[1], dtype=np.uint64)
    words.sort(axis=1)
    words &= mask
    return words.view(np.intp)
