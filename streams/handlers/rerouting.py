"""Records on another partition than their key's go on to that.

Where a producer chooses partitions in another way than murmur2, a user's events, queries and context lie apart, and
nothing would tell. Such a record is published once more, on the partition of its key, with its first place in a header
and its time in Kafka as it was. One that is found wrong a second time becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import msgspec

from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import TopicSpec
from streams.handlers.decoding import dead_letter, decode_one
from streams.wire.messages import Batch, Message, Record
from streams.wire.placing import partitions_of

T = TypeVar("T", bound=msgspec.Struct)
#: header of a record that was published again: the partition and offset at which it lay first
REROUTED: Final = "rerouted_from"


@dataclass(frozen=True, slots=True)
class Home:
    """The partition that records were read from. ``reroute``: whether those of other partitions go there; else they
    are refused.
    """

    topic: TopicSpec
    partition: int
    reroute: bool = True


@dataclass(slots=True)
class SortedOut:
    """A batch's records that belong where they lie or cannot be read; what goes elsewhere; letters of what may not."""

    staying: Batch
    rerouted: list[Message] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


def sort_out(batch: Batch, home: Home, decode: Callable[[bytes], T], key_of: Callable[[T], str]) -> SortedOut:
    """Part what belongs elsewhere from a batch; a record without a key belongs where ``key_of(event)`` does."""
    keys = {record.key for record in batch}
    named = [key for key in keys if key is not None]
    if len(named) == len(keys) and (partitions_of(named, home.topic.partitions) == home.partition).all():
        return SortedOut(batch)
    result = SortedOut(Batch([], batch.position, batch.next_offset))
    for record in batch:
        try:
            elsewhere = _elsewhere(record, home, decode, key_of)
        except InvalidEvent as error:
            result.dead.append(dead_letter(record, error, home.topic.name, home.partition))
            continue
        if elsewhere is None:
            result.staying.append(record)
        else:
            result.rerouted.append(elsewhere)
    return result


def _elsewhere(record: Record, home: Home, decode: Callable[[bytes], T], key_of: Callable[[T], str]) -> Message | None:
    """The record for the partition of its key; None where that is its own, or where no key can be read.

    Raises InvalidEvent where it is not to be sent on, or was before.
    """
    key = record.key
    if record.value is not None:
        try:
            key = key_of(decode_one(record, decode, key_of)).encode()
        except InvalidEvent:
            return None  # its handler says what is wrong with it
    if not key:
        return None
    belongs = partition_for(key, home.topic.partitions)
    if belongs == home.partition:
        return None
    if not home.reroute or any(name == REROUTED for name, _ in record.headers):
        raise InvalidEvent(
            "wrong_partition",
            "key",
            f"{key[:140]!r} belongs on partition {belongs} of {home.topic.partitions}, and lies on {home.partition}: "
            "let the producer choose partitions by murmur2 (docs/connect.md)",
        )
    headers = (*record.headers, (REROUTED, f"{home.partition}:{record.offset}".encode()))
    return Message(home.topic.name, key, record.value, belongs, headers, record.timestamp_ms)
