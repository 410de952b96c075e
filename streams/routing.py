"""Where an event goes: its topic, its key, and its checked bytes.

>>> from streams.topics import topics
>>> event = behavior("click", event_id="e1", user_id="u1", item_id="p1", time=1)
>>> spec, key = route(event, topics())
>>> spec.name, key
('behavior-events', b'u1')
"""

from __future__ import annotations

import math
import time as clock
import uuid
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from streams.errors import InvalidEvent
from streams.events import (
    MAX_RECORD_BYTES,
    Answer,
    Behavior,
    Delete,
    DeleteRule,
    Event,
    Item,
    ItemEvents,
    Query,
    Rule,
    decode_event,
    encode,
    invalid,
)
from streams.ruling import check_rule, rule_key
from streams.topics import Topics, TopicSpec

__all__ = ["BEHAVIORS", "ITEM_TAGS", "behavior", "checked", "new_id", "now", "route", "rule", "topic_of"]

#: tag -> struct of every behaviour event, in the order of their declaration
BEHAVIORS: Final[dict[str, type[msgspec.Struct]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Behavior)
}

#: tags of what goes to item-events
ITEM_TAGS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ItemEvents))


def now() -> int:
    """The wall clock in Unix milliseconds; only clients, at the edge, ask it."""
    return clock.time_ns() // 1_000_000


def new_id() -> str:
    """A fresh id for an event or a request: 32 hex digits."""
    return uuid.uuid4().hex


def behavior(kind: str, **fields: object) -> Behavior:
    """A behaviour event of ``kind`` (its tag); fields that are None are left out.

    ``event_id`` is made up and ``time`` is now where they are missing. Raises InvalidEvent naming the field.
    """
    event: Behavior = _made(kind, Behavior, {"event_id": new_id()}, fields)
    return event


def rule(kind: str, **fields: object) -> Rule | DeleteRule:
    """A rule event of ``kind``, ``rule`` or ``delete_rule``; fields that are None are left out, ``time`` is now where
    it is missing. Raises InvalidEvent naming the field.
    """
    event: Rule | DeleteRule = _made(kind, Rule | DeleteRule, {}, fields)
    if isinstance(event, Rule):
        check_rule(event)
    return event


def _made(kind: str, union: Any, defaults: Mapping[str, object], fields: Mapping[str, object]) -> Any:
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        event = msgspec.convert({"time": now(), **defaults, **given, "event": kind}, union)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    unknown = given.keys() - set(event.__struct_fields__)
    if unknown:
        name = min(unknown)
        raise InvalidEvent("invalid", name, f"{kind!r} has no such field: leave it out")
    return event


def topic_of(tag: str, topics: Topics) -> TopicSpec | None:
    """The topic for events with this tag; None for a tag that nobody publishes (`answer`, unknown ones)."""
    if tag in ITEM_TAGS:
        return topics.item_events
    if tag in BEHAVIORS:
        return topics.behavior_events
    return topics.query_events if tag == "query" else None


def route(event: Event, topics: Topics) -> tuple[TopicSpec, bytes]:
    """The topic and the key of an event. Raises InvalidEvent for an answer: workers publish those."""
    if isinstance(event, Item | Delete):
        return topics.item_events, event.item_id.encode()
    if isinstance(event, Rule | DeleteRule):
        return topics.item_events, rule_key(event.rule_id).encode()
    if isinstance(event, Query):
        return topics.query_events, event.key.encode()
    if isinstance(event, Answer):
        raise InvalidEvent("invalid", "event", "only workers publish answers: publish other events")
    return topics.behavior_events, event.user_id.encode()


def checked(event: Event) -> bytes:
    """The event's JSON, after it was read back as a worker will read it.

    Raises InvalidEvent naming the field that a worker would refuse (structs made in Python are not checked
    by themselves), or when the record would be larger than 1 MiB.
    """
    try:
        raw = encode(event)
        if b"null" in raw:
            _refuse_infinite(msgspec.to_builtins(event), "")
        decode_event(raw)
        if isinstance(event, Rule):
            check_rule(event)
    except msgspec.DecodeError as error:
        raise invalid(error) from error
    except (TypeError, UnicodeEncodeError) as error:
        raise InvalidEvent("invalid", "", f"cannot be written as JSON: {error}") from error
    if len(raw) > MAX_RECORD_BYTES:
        raise InvalidEvent("too_large", "", f"{len(raw)} bytes: at most {MAX_RECORD_BYTES} in one event")
    return raw


def _refuse_infinite(value: object, path: str) -> None:
    """Raise InvalidEvent naming a number that JSON does not have: it would be written as null, and lost."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidEvent("invalid", path, f"{value} is not a finite number")
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_infinite(inner, f"{path}.{name}".lstrip("."))
    if isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            _refuse_infinite(inner, f"{path}[{place}]")
