"""The event ids counted lately in a partition, so that a redelivered event counts once.

A ring of 16 blocks of 1,024 ids (u64 hashes): the n-th accepted event stands at place n modulo 16,384. Only the
blocks that a batch touches are written with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from state import keys

BLOCK: Final = 1_024
BLOCKS: Final = 16
SIZE: Final = BLOCK * BLOCKS


def block_keys(partition: int) -> list[bytes]:
    """The keys of a partition's blocks."""
    return [keys.event_ids(partition, b) for b in range(BLOCKS)]


class IdWindow:
    """The last 16,384 event ids of one partition.

    >>> w = IdWindow([None] * BLOCKS, 0)
    >>> w.add([5, 6]); 5 in w, 7 in w
    (True, False)
    """

    def __init__(self, blocks: Sequence[bytes | None], accepted: int) -> None:
        """``blocks``: the values of ``block_keys``; ``accepted``: how many events were ever accepted."""
        blank = bytes(8 * BLOCK)
        self._ids = np.frombuffer(bytearray(b"".join(b if b is not None else blank for b in blocks)), np.uint64)
        self._accepted = accepted
        self._known = set(self._ids[self._ids != 0].tolist())

    def __contains__(self, event_id: int) -> bool:
        return event_id in self._known

    def isdisjoint(self, ids: Iterable[int]) -> bool:
        """Whether none of ``ids`` was counted lately."""
        return self._known.isdisjoint(ids)

    def changed(self, partition: int, ids: Sequence[int]) -> list[bytes]:
        """Key, value, … of the blocks as they are once ``ids`` are added. The window itself stays as it is."""
        if not ids:
            return []
        place, last = self._places(ids)
        ring = self._ids.copy()
        ring[place] = last
        touched = np.unique(place // BLOCK)
        pairs: list[bytes] = []
        for block in touched.tolist():
            pairs += (keys.event_ids(partition, block), ring[block * BLOCK : (block + 1) * BLOCK].tobytes())
        return pairs

    def add(self, ids: Sequence[int]) -> None:
        """Count ``ids``, forgetting the oldest."""
        if not ids:
            return
        place, last = self._places(ids)
        self._known.difference_update(self._ids[place].tolist())
        self._ids[place] = last
        self._known.update(last.tolist())
        self._accepted += len(ids)

    def _places(
        self, ids: Sequence[int]
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.uint64]]]:
        last = np.array(ids[-SIZE:], np.uint64)
        first = self._accepted + len(ids) - len(last)
        return (first + np.arange(len(last))) % SIZE, last
