"""Watermarks: how far each partition of a topic has been handled, stored with every batch.

A topic whose records come straight from producers has a ``BehaviorMark``; signals and feedback, whose records come from
several partitions of behavior-events, a ``SourceMark``. Each begins with the next offset to be read: a batch may be
stored only if it was fetched from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

#: next offset, number of events accepted, newest event time (Unix ms)
_BEHAVIOR: Final = np.dtype([("next", "<i8"), ("accepted", "<i8"), ("newest", "<i8")])


@dataclass(frozen=True, slots=True)
class BehaviorMark:
    """``raw``: the value as stored, None where nothing is; ``next``: the offset up to which all is stored, None where
    nothing is; ``accepted``: how many events were counted; ``newest``: the newest event's time, Unix ms, -1 for none.
    """

    raw: bytes | None
    next: int | None
    accepted: int
    newest: int

    def stored(self) -> bytes:
        """The value to store, of a mark that has moved."""
        assert self.raw is not None, "a mark that has not moved is not stored"
        return self.raw

    @property
    def last(self) -> int:
        """The last offset that may be stored, -1 for none."""
        return -1 if self.next is None else self.next - 1

    def moved(self, next: int, accepted: int | None = None, newest: int | None = None) -> BehaviorMark:
        """The mark once all before ``next`` is stored; what is not given stays.

        >>> behavior_mark(None).moved(5, accepted=3, newest=9).last
        4
        """
        accepted = self.accepted if accepted is None else accepted
        newest = self.newest if newest is None else newest
        raw = np.array([(next, accepted, newest)], _BEHAVIOR).tobytes()
        return BehaviorMark(raw, next, accepted, newest)


def behavior_mark(raw: bytes | None) -> BehaviorMark:
    """A stored mark, or that of a partition of which nothing is stored."""
    if raw is None:
        return BehaviorMark(None, None, 0, -1)
    next_, accepted, newest = np.frombuffer(raw, _BEHAVIOR)[0].tolist()
    return BehaviorMark(raw, next_, accepted, newest)


@dataclass(frozen=True, slots=True)
class SourceMark:
    """``raw`` and ``next`` as in BehaviorMark; ``sources`` (partitions,): the last offset of each partition of
    behavior-events whose effects are stored, -1 for none.
    """

    raw: bytes | None
    next: int | None
    sources: NDArray[np.int64]

    def stored(self) -> bytes:
        """The value to store, of a mark that has moved."""
        assert self.raw is not None, "a mark that has not moved is not stored"
        return self.raw

    def moved(self, next: int, sources: NDArray[np.int64] | None = None) -> SourceMark:
        """The mark once all before ``next`` is stored.

        >>> source_mark(None, 1).moved(4, np.array([9])).sources.tolist()
        [9]
        """
        sources = self.sources if sources is None else sources
        return SourceMark(np.concatenate([[next], sources]).astype("<i8").tobytes(), next, sources)


def source_mark(raw: bytes | None, partitions: int) -> SourceMark:
    """A stored mark, or that of a partition of which nothing is stored."""
    if raw is None:
        return SourceMark(None, None, np.full(partitions, -1, np.int64))
    numbers = np.frombuffer(raw, "<i8")
    return SourceMark(raw, int(numbers[0]), numbers[1:].astype(np.int64))


def next_of(raw: bytes | None) -> int | None:
    """The offset up to which all is stored, by any mark; None where nothing is."""
    return None if raw is None else int(np.frombuffer(raw, "<i8", 1)[0])
