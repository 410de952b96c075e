"""Counted pairs of items, streamed: a few sorted runs, merged as they grow, and a short unsorted tail.

As in a log-structured merge tree (O'Neil et al., 1996): adding costs a sort's share, reading one binary search a
run, and memory 12 bytes a distinct pair, whatever the number of items.

>>> table = PairTable(items=3)
>>> table.add(np.array([0, 0, 2]), np.array([1, 1, 0]))
>>> which, item, count = table.rows(np.array([0]))
>>> item.tolist(), count.tolist()
([1, 1], [1.0, 1.0])
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints

TAIL: Final = 1 << 17
Counts = NDArray[np.float32]


class PairTable:
    """How often each item went with each anchor; an item's pairs may come in several parts, to be added up."""

    def __init__(self, items: int) -> None:
        self._items = max(items, 1)
        self._runs: list[tuple[Ints, Counts]] = []
        self._anchor = np.empty(TAIL, np.int64)
        self._item = np.empty(TAIL, np.int64)
        self._filled = 0
        self._place = np.full(self._items, -1)

    def add(self, anchor: Ints, item: Ints) -> None:
        """Count each pair once more, (m,) both."""
        for start in range(0, len(anchor), TAIL):
            self._append(anchor[start : start + TAIL], item[start : start + TAIL])

    def rows(self, anchors: Ints) -> tuple[Ints, Ints, Counts]:
        """All pairs of distinct ``anchors``: which of them (from 0), the item, and how often; (m,) each."""
        parts = [self._of_run(keys, counts, anchors) for keys, counts in self._runs]
        self._place[anchors] = np.arange(len(anchors))
        place = self._place[self._anchor[: self._filled]]
        self._place[anchors] = -1
        tail = np.flatnonzero(place >= 0)
        parts.append((place[tail], self._item[tail], np.ones(len(tail), np.float32)))
        which, item, count = zip(*parts, strict=True)
        return np.concatenate(which), np.concatenate(item), np.concatenate(count)

    def _of_run(self, keys: Ints, counts: Counts, anchors: Ints) -> tuple[Ints, Ints, Counts]:
        begin = np.searchsorted(keys, anchors * self._items)
        size = np.searchsorted(keys, (anchors + 1) * self._items) - begin
        which = np.repeat(np.arange(len(anchors)), size)
        at = np.arange(len(which)) + np.repeat(begin - (np.cumsum(size) - size), size)
        return which, keys[at] - anchors[which] * self._items, counts[at]

    def _append(self, anchor: Ints, item: Ints) -> None:
        if self._filled + len(anchor) > TAIL:
            self._sort_tail()
        end = self._filled + len(anchor)
        self._anchor[self._filled : end], self._item[self._filled : end] = anchor, item
        self._filled = end

    def _sort_tail(self) -> None:
        tail = self._anchor[: self._filled] * self._items + self._item[: self._filled]
        run = _summed(tail, np.ones(len(tail), np.float32))
        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            keys, counts = self._runs.pop()
            run = _summed(np.concatenate([keys, run[0]]), np.concatenate([counts, run[1]]))
        self._runs.append(run)
        self._filled = 0


def _summed(keys: Ints, counts: Counts) -> tuple[Ints, Counts]:
    """Distinct keys in ascending order, their counts added up."""
    order = np.argsort(keys, kind="stable")  # runs that are sorted already merge in linear time
    keys = keys[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return keys[first], np.add.reduceat(counts[order], first).astype(np.float32)
