"""What is in work of one partition: batches handed to agents, first in, first committed.

>>> window = AckWindow(TP("behavior-events", 0))
>>> first, second = window.add(100, next_offset=100), window.add(50, next_offset=150)
>>> window.done(second), window.committable, window.records    # the first is still in work
(False, None, 150)
>>> window.done(first), window.committable, window.records
(True, 150, 0)
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from time import monotonic

from faust.types import TP

__all__ = ["AckWindow", "Slot", "slices"]


@dataclass(eq=False, slots=True)
class Slot:
    """One batch in work: its size in records, the offset after it, when it came (monotonic seconds)."""

    size: int
    next_offset: int
    done: bool = False
    since: float = field(default_factory=monotonic)


class AckWindow:
    """A partition's batches in offset order; ``committable`` is the end of the longest done prefix.

    A window lives from a seek (its number is ``seek``) to the next seek of its partition. What was fetched
    before the seek belongs to an older window, and marking it done there moves no offset of this one.
    """

    __slots__ = ("_slots", "committable", "end", "records", "seek", "tp")

    def __init__(self, tp: TP, seek: int = 0, end: int = 0) -> None:
        self.tp = tp
        self.seek = seek
        #: the offset up to which batches were handed out
        self.end = end
        #: offset to commit, or None before the first batch is done
        self.committable: int | None = None
        #: records of batches that are not in the done prefix
        self.records = 0
        self._slots: deque[Slot] = deque()

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def oldest(self) -> float | None:
        """When the first batch that is not done came, or None."""
        return self._slots[0].since if self._slots else None

    def add(self, size: int, next_offset: int) -> Slot:
        """Append a batch of ``size`` records that ends before ``next_offset``."""
        slot = Slot(size, next_offset)
        self._slots.append(slot)
        self.end = next_offset
        self.records += size
        return slot

    def done(self, slot: Slot) -> bool:
        """Mark a batch of this window as done; whether ``committable`` moved."""
        slot.done = True
        moved = False
        while self._slots and self._slots[0].done:
            first = self._slots.popleft()
            self.records -= first.size
            self.committable = first.next_offset
            moved = True
        return moved

    def is_full(self, max_batches: int, max_records: int) -> bool:
        """Whether no more should be fetched until a batch is done."""
        return len(self._slots) >= max_batches or self.records >= max_records


def slices(records: int, size: int) -> list[tuple[int, int]]:
    """Cut ``records`` in runs of at most ``size``, none much smaller than the others.

    >>> slices(10, 4)
    [(0, 4), (4, 7), (7, 10)]
    >>> slices(0, 4)
    []
    """
    if size < 1:
        raise ValueError(f"max_batch is {size}: give a batch at least one record")
    parts = -(-records // size)
    base, longer = divmod(records, parts) if parts else (0, 0)
    ends = [index * base + min(index, longer) for index in range(parts + 1)]
    return list(pairwise(ends))
