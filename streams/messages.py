"""What comes out of Kafka and what goes into it, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """A record as read: ``timestamp`` is Kafka's, in Unix ms (when it was produced, unless the topic says otherwise).

    The transport hands out plain tuples of this shape.
    """

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int
    headers: Headers


class Message(NamedTuple):
    """A record to be published; without ``partition`` the key decides, as in every Kafka client."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Headers = ()
