"""What comes out of Kafka and what goes into it, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from streams.transport.records import Record

__all__ = ["Headers", "Message", "Record"]

Headers = Sequence[tuple[str, bytes]]


class Message(NamedTuple):
    """A record to be published; without ``partition`` the key decides, as in every Kafka client."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()
