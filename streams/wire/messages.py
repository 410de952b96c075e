"""What comes out of Kafka and what goes into it, as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """A record as read; ``timestamp_ms``: when it was produced, Unix ms, unless the topic says otherwise."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp_ms: int
    headers: Headers = ()


class Batch(list[Record]):
    """Records of one partition in offset order: all that it holds from ``position`` up to ``next_offset``.

    The first record may lie behind ``position``, and ``next_offset`` behind the last record's successor: transaction
    markers, compacted holes and records set aside take offsets too. Batches of a partition follow each other without a
    gap where one's ``next_offset`` is the other's ``position``.
    """

    __slots__ = ("next_offset", "position")

    def __init__(self, records: Iterable[Record], position: int, next_offset: int) -> None:
        super().__init__(records)
        self.position = position
        self.next_offset = next_offset

    def halves(self) -> tuple[Batch, Batch] | None:
        """The batch as two that follow each other; None where it holds one record.

        >>> batch = Batch([Record(None, b"", n, 0) for n in (4, 7, 8)], 3, 10)
        >>> [(half.position, len(half), half.next_offset) for half in batch.halves() or ()]
        [(3, 1, 7), (7, 2, 10)]
        """
        middle = len(self) // 2
        if not middle:
            return None
        between = self[middle].offset
        return Batch(self[:middle], self.position, between), Batch(self[middle:], between, self.next_offset)


class Message(NamedTuple):
    """A record to be published; without ``partition`` the key decides, as in every Kafka client.

    ``timestamp_ms``: when it was produced first, where it is published again.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()
    timestamp_ms: int | None = None


class Publisher(Protocol):
    """Where messages go: Kafka in a worker, straight to the next handler in a replay."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once all messages are stored for good."""

    async def exists(self, topic: str) -> bool:
        """Whether a topic that an event names is there to publish to."""
