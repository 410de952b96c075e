"""Watermarks of topics whose records come from several partitions of behavior-events: signals and feedback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from state import keys
from state.store import Store
from streams.errors import NotOwner


@dataclass(frozen=True, slots=True)
class SourceMark:
    """``raw``: the stored value; ``offset``: the last record stored; ``sources`` (partitions,): the last offset of
    each partition of behavior-events whose effects are stored, -1 for none."""

    raw: bytes | None
    offset: int
    sources: NDArray[np.int64]

    def moved(self, offset: int, sources: NDArray[np.int64] | None = None) -> SourceMark:
        """The mark after the record at ``offset``.

        >>> SourceMark(None, -1, np.array([-1])).moved(4, np.array([9])).offset
        4
        """
        sources = self.sources if sources is None else sources
        return SourceMark(np.concatenate([[offset], sources]).astype("<i8").tobytes(), offset, sources)

    def stored(self) -> bytes:
        """The value to store."""
        assert self.raw is not None, "a mark that has not moved is not stored"
        return self.raw


async def load_mark(store: Store, partition: int, topic: str, partitions: int) -> SourceMark:
    """The stored mark of a partition of ``topic``."""
    (raw,) = await store.read([keys.watermark(partition, topic)])
    if raw is None:
        return SourceMark(None, -1, np.full(partitions, -1, np.int64))
    numbers = np.frombuffer(raw, "<i8")
    return SourceMark(raw, int(numbers[0]), numbers[1:].astype(np.int64))


def lost(topic: str, partition: int) -> NotOwner:
    """The error of a worker that finds a watermark which is not its own."""
    return NotOwner(f"{topic}[{partition}] was stored past this worker's watermark by another one")


def offset_of(mark: bytes | None) -> int:
    """The last offset stored: what every watermark begins with. -1 for none."""
    return -1 if mark is None else int(np.frombuffer(mark, "<i8", 1)[0])
