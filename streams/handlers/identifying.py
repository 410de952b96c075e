"""A visitor who logs in: what was done before goes to the account, once, whatever partitions the two lie on.

Two records, each handled alone, so that it falls between the same events however batches are cut. ``identify`` lies on
the visitor's partition: its owner takes the visitor's history as it stands there, publishes it for the account's
partition, and stores the visitor empty with its watermark. ``identified`` arrives there: its owner adds it to the
account's, and keeps with its watermark up to which offset it has them from each partition, so that one which is
published again, after a crash between publishing and storing, counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import Final

import numpy as np

from state import contexts, daily, dislikes, keys, purchases
from state.event_ids import IdWindow
from state.layouts import StoredValueError, packed, unpacked
from state.marks import BehaviorMark
from state.records import CONTEXT, DAILY
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Identify, decode_behavior_event
from streamrank_client.partitioner import partition_for
from streamrank_client.routing import IDENTIFY, Head, head
from streamrank_client.vocabulary import DAY_MS, event_key
from streams.handlers.contexts import ContextChanges
from streams.handlers.decoding import dead_letter, decode_one
from streams.handlers.steps import Values
from streams.handlers.unwanted import ENDING
from streams.policy.deployment import Deployment
from streams.wire.identified import IDENTIFIED, Identified, decode_identified, encode_identified
from streams.wire.messages import Batch, Message, Record

__all__ = ["decode_identity", "identity_key", "is_identity", "on_identity", "runs"]

Reads = Generator[list[bytes], Values, ContextChanges]

#: in every record of either kind, and hardly in another
_SIGN: Final = b'"identif'
_TAGS: Final = frozenset((IDENTIFY, IDENTIFIED))
#: what is held of a user and goes from one to the other, with what is stored of one who has done nothing
_HISTORY: Final[tuple[tuple[Callable[[int, str], bytes], bytes], ...]] = (
    (keys.context, bytes(CONTEXT.itemsize)),
    (keys.purchases, b""),
    (keys.dislikes, b""),
    (keys.daily, bytes(DAILY.itemsize)),
)


def is_identity(record: Record) -> bool:
    """Whether a record is one of the two."""
    value = record.value
    return value is not None and _SIGN in value and (found := head(value)) is not None and found.event in _TAGS


def runs(batch: Batch) -> list[Batch]:
    """The batch as runs that follow each other, each of them behaviour alone, or one record of the two kinds."""
    if _SIGN not in b"".join([record.value or b"" for record in batch]):  # a quarter of the time of looks into each
        return [batch]
    alone = [n for n, record in enumerate(batch) if is_identity(record)]
    cuts = sorted({0, len(batch), *alone, *(n + 1 for n in alone)})
    if len(cuts) <= 2:
        return [batch]
    parts, position = [], batch.position
    for start, end in pairwise(cuts):
        next_offset = batch.next_offset if end == len(batch) else batch[end].offset
        parts.append(Batch(batch[start:end], position, next_offset))
        position = next_offset
    return parts


def decode_identity(raw: bytes) -> Identify | Identified:
    """Either of the two. Raises msgspec.DecodeError."""
    if (head(raw) or Head()).event == IDENTIFIED:
        return decode_identified(raw)
    event = decode_behavior_event(raw)
    assert isinstance(event, Identify)
    return event


def identity_key(event: Identify | Identified) -> str:
    """The key of its record."""
    return event.anonymous_id if isinstance(event, Identify) else event.user_id


def on_identity(
    records: Batch, mark: BehaviorMark, window: IdWindow, partition: int, encoder: str, deployment: Deployment
) -> Reads:
    """Handle one record of either kind; ``encoder``: version of the one in use, the rest as of ``on_behavior``."""
    (record,) = records
    try:
        event = decode_one(record, decode_identity, identity_key)
        if isinstance(event, Identify):
            return (yield from _leave(event, records, mark, window, partition, deployment))
        return (yield from _arrive(event, records, mark, partition, encoder, deployment))
    except InvalidEvent as error:
        changes = _changes(records, mark)
        changes.dead.append(dead_letter(record, error, deployment.topics.behavior_events.name, partition))
        return changes


def _leave(
    event: Identify, records: Batch, mark: BehaviorMark, window: IdWindow, partition: int, deployment: Deployment
) -> Reads:
    """Publish what is held of the visitor for the user's partition, and hold nothing of it any more."""
    (record,) = records
    if event.time > max(mark.newest, record.timestamp_ms) + DAY_MS:
        raise InvalidEvent("future", "time", f"{event.time} is more than a day ahead of the newest, {mark.newest}")
    event_id = event_key(event.event_id, IDENTIFY, event.user_id, event.anonymous_id)
    changes = _changes(records, mark, event.time)
    if event_id in window:
        changes.repeated = 1
        return changes
    names = [name(partition, event.anonymous_id) for name, _ in _HISTORY]
    held = yield names
    changes.ids = [event_id]
    changes.mark = changes.mark.moved(records.next_offset, mark.accepted + 1)
    given = [
        (name, empty)
        for name, value, (_, empty) in zip(names, held, _HISTORY, strict=True)
        if value not in (None, empty)
    ]
    changes.pairs = window.changed(partition, changes.ids) + [part for pair in given for part in pair]
    if given:
        topic = deployment.topics.behavior_events
        stored = [b"" if value is None else packed(name, value) for name, value in zip(names, held, strict=True)]
        told = Identified(event.time, event.user_id, event.anonymous_id, partition, record.offset, *stored)
        key = event.user_id.encode()
        place = partition_for(key, topic.partitions)
        changes.messages.append(
            Message(topic.name, key, encode_identified(told), place, timestamp_ms=record.timestamp_ms)
        )
    return changes


def _arrive(
    told: Identified, records: Batch, mark: BehaviorMark, partition: int, encoder: str, deployment: Deployment
) -> Reads:
    """Add a visitor's history to the user's, unless it was added before."""
    if not 0 <= told.partition < deployment.partitions:
        said = f"{told.partition} of {deployment.partitions}: only workers send it"
        raise InvalidEvent("invalid", "partition", said)
    history = _unpacked(told, partition)
    own = keys.identified(partition)
    names = [own, *(name(partition, told.user_id) for name, _ in _HISTORY)]
    stored, context, bought, disliked, days = yield names
    seen = np.full(deployment.partitions, -1, "<i8") if stored is None else np.frombuffer(stored, "<i8").copy()
    changes = _changes(records, mark, told.time)
    if told.offset <= seen[told.partition]:
        changes.repeated = 1
        return changes
    seen[told.partition] = told.offset
    values = (
        seen.tobytes(),
        contexts.merged(context, history[0], contexts.encoder_id(encoder)),
        purchases.merged(bought, history[1]),
        # what one of them bought since ends what the other disliked, as far as the last events tell
        dislikes.merged(
            dislikes.ended_by(disliked, *contexts.recent(history[0], ENDING)),
            dislikes.ended_by(history[2], *contexts.recent(context, ENDING)),
        ),
        daily.merged(days, history[3]),
    )
    changes.identified = 1
    for name, value in zip(names, values, strict=True):
        if value is not None:
            changes.pairs += (name, value)
    return changes


def _unpacked(told: Identified, partition: int) -> list[bytes | None]:
    values = (told.context, told.purchases, told.dislikes, told.daily)
    try:
        return [
            unpacked(name(partition, told.user_id), value) if value else None
            for (name, _), value in zip(_HISTORY, values, strict=True)
        ]
    except StoredValueError as error:
        raise InvalidEvent("invalid", "context", f"{error.reason}: only workers send it") from None


def _changes(records: Batch, mark: BehaviorMark, time: int = -1) -> ContextChanges:
    """Nothing but the watermark behind the record."""
    moved = mark.moved(records.next_offset, newest=max(mark.newest, time))
    return ContextChanges(pairs=[], mark=moved, ids=[], signals={}, feedback=[], dead=[], repeated=0)
