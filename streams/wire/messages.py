"""What comes out of Kafka and what goes into it, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """A record as read; ``timestamp_ms``: when it was produced, Unix ms, unless the topic says otherwise."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp_ms: int
    headers: Headers = ()


class Message(NamedTuple):
    """A record to be published; without ``partition`` the key decides, as in every Kafka client."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()


class Publisher(Protocol):
    """Where messages go: Kafka in a worker, straight to the next handler in a replay."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once all messages are stored for good."""

    async def exists(self, topic: str) -> bool:
        """Whether a topic that an event names is there to publish to."""
