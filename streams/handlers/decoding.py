"""Records to events: every record either decodes and is accepted, or becomes a dead letter that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import MAX_RECORD_BYTES, encode, invalid
from streams.wire.messages import Message, Record

T = TypeVar("T", bound=msgspec.Struct)
RAW_KEPT: Final = 64 << 10
_REPLY_TOPIC: Final = re.compile(rb'"reply_topic"\s*:\s*"([A-Za-z0-9._-]{1,249})"')
_REQUEST_ID: Final = re.compile(rb'"request_id"\s*:\s*"((?:[^"\\]|\\.){1,128})"')


@dataclass(slots=True)
class Decoded(Generic[T]):
    """A batch's usable events with their records, in offset order, and the letters of the others."""

    events: list[T]
    records: list[Record]
    dead: list[DeadLetter] = field(default_factory=list)


def decode_batch(
    records: Sequence[Record], decode: Callable[[bytes], T], key_of: Callable[[T], str], topic: str, partition: int
) -> Decoded[T]:
    """Decode a partition's records; the fast path is one comprehension, a bad record is looked at alone.

    A record must be at most 1 MiB, decode, and be keyed by ``key_of(event)``.
    """
    try:
        events = [decode(r.value) for r in records]  # type: ignore[arg-type]
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError, RecursionError):
        return _one_by_one(records, decode, key_of, topic, partition)
    keyed = [r.key for r in records] == [name.encode() for name in map(key_of, events)]
    if keyed and all(len(r.value) <= MAX_RECORD_BYTES for r in records):  # type: ignore[arg-type]
        return Decoded(events, list(records))
    return _one_by_one(records, decode, key_of, topic, partition)


def _one_by_one(
    records: Sequence[Record], decode: Callable[[bytes], T], key_of: Callable[[T], str], topic: str, partition: int
) -> Decoded[T]:
    result: Decoded[T] = Decoded([], [])
    for record in records:
        try:
            event = decode_one(record, decode, key_of)
        except InvalidEvent as error:
            result.dead.append(dead_letter(record, error, topic, partition))
        else:
            result.events.append(event)
            result.records.append(record)
    return result


def decode_one(record: Record, decode: Callable[[bytes], T], key_of: Callable[[T], str]) -> T:
    """Decode one record or raise InvalidEvent."""
    key, value = record.key, record.value
    if value is None:
        raise InvalidEvent("tombstone", "", "a record without a value means nothing here")
    if len(value) > MAX_RECORD_BYTES:
        raise InvalidEvent("too_large", "", f"{len(value)} bytes; at most {MAX_RECORD_BYTES} are taken")
    try:
        event = decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(error, value) from None
    expected = key_of(event)
    if key != expected.encode():
        shown = "no key" if key is None else repr(key[:140])
        raise InvalidEvent("wrong_key", "key", f"{shown}, expected {expected!r}; the key decides the partition")
    return event


def dead_letter(record: Record, error: InvalidEvent, topic: str, partition: int) -> DeadLetter:
    """The letter for a record that could not be used."""
    key, value = record.key, record.value
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=record.offset,
        code=error.code,
        field=error.field,
        reason=error.message,
        key=None if key is None else key[:RAW_KEPT],
        raw=None if value is None else value[:RAW_KEPT],
        size=0 if value is None else len(value),
    )


def request_id_of(raw: bytes | None) -> str | None:
    """The request id of a query that does not decode, if it can be read at all.

    >>> request_id_of(b'{"event":"query","request_id":"r1","time":"no"}')
    'r1'
    """
    found = _REQUEST_ID.search(raw or b"")
    if found is None:
        return None
    try:
        return msgspec.json.decode(b'"' + found[1] + b'"', type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def reply_topic_of(raw: bytes | None) -> str | None:
    """The reply topic of a query that does not decode, if it can be read.

    >>> reply_topic_of(b'{"event":"query","reply_topic":"mine","limit":"no"}')
    'mine'
    """
    found = _REPLY_TOPIC.search(raw or b"")
    return found[1].decode() if found is not None else None


def letters(dead: Sequence[DeadLetter], topic: str) -> list[Message]:
    """Messages for the dead-letters topic ``topic``, keyed by the topic they come from."""
    return [Message(topic, d.topic.encode(), encode(d)) for d in dead]
