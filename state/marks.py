"""Watermarks: how far each partition of a topic has been handled, stored with every batch.

A topic whose records come straight from producers has a ``BehaviorMark``; signals and feedback, whose records come from
several partitions of behavior-events, a ``SourceMark``. Each begins with the last offset stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: last offset, number of events accepted, newest event time (Unix ms)
_BEHAVIOR: Final = np.dtype([("offset", "<i8"), ("accepted", "<i8"), ("newest", "<i8")])


@dataclass(frozen=True, slots=True)
class BehaviorMark:
    """``raw``: the value as stored, None where nothing is; ``offset``: the last record stored, -1 for none;
    ``accepted``: how many events were counted; ``newest``: the newest event's time, Unix ms, -1 for none.
    """

    raw: bytes | None
    offset: int
    accepted: int
    newest: int

    def stored(self) -> bytes:
        """The value to store, of a mark that has moved."""
        assert self.raw is not None, "a mark that has not moved is not stored"
        return self.raw

    def moved(self, offset: int, accepted: int | None = None, newest: int | None = None) -> BehaviorMark:
        """The mark after the record at ``offset``; what is not given stays.

        >>> behavior_mark(None).moved(4, accepted=3, newest=9).offset
        4
        """
        accepted = self.accepted if accepted is None else accepted
        newest = self.newest if newest is None else newest
        raw = np.array([(offset, accepted, newest)], _BEHAVIOR).tobytes()
        return BehaviorMark(raw, offset, accepted, newest)


def behavior_mark(raw: bytes | None) -> BehaviorMark:
    """A stored mark, or that of a partition of which nothing is stored."""
    if raw is None:
        return BehaviorMark(None, -1, 0, -1)
    offset, accepted, newest = np.frombuffer(raw, _BEHAVIOR)[0].tolist()
    return BehaviorMark(raw, offset, accepted, newest)


@dataclass(frozen=True, slots=True)
class SourceMark:
    """``raw`` and ``offset`` as in BehaviorMark; ``sources`` (partitions,): the last offset of each partition of
    behavior-events whose effects are stored, -1 for none.
    """

    raw: bytes | None
    offset: int
    sources: NDArray[np.int64]

    def stored(self) -> bytes:
        """The value to store, of a mark that has moved."""
        assert self.raw is not None, "a mark that has not moved is not stored"
        return self.raw

    def moved(self, offset: int, sources: NDArray[np.int64] | None = None) -> SourceMark:
        """The mark after the record at ``offset``.

        >>> source_mark(None, 1).moved(4, np.array([9])).sources.tolist()
        [9]
        """
        sources = self.sources if sources is None else sources
        return SourceMark(np.concatenate([[offset], sources]).astype("<i8").tobytes(), offset, sources)


def source_mark(raw: bytes | None, partitions: int) -> SourceMark:
    """A stored mark, or that of a partition of which nothing is stored."""
    if raw is None:
        return SourceMark(None, -1, np.full(partitions, -1, np.int64))
    numbers = np.frombuffer(raw, "<i8")
    return SourceMark(raw, int(numbers[0]), numbers[1:].astype(np.int64))


def offset_of(raw: bytes | None) -> int:
    """The last offset stored by any mark, -1 for none."""
    return -1 if raw is None else int(np.frombuffer(raw, "<i8", 1)[0])
