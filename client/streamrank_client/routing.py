"""Where a record goes: from an event to its topic, key and partition, by one function for everybody.

The client, ``streamrank publish``, the replay and the tests route by it, so that a replay is what publishing would do.

>>> from streamrank_client.topics import topics
>>> spec, key, partition = route(Head(event="click", user_id="u1", item_id="p1"), topics())
>>> spec.name, key, partition
('behavior-events', b'u1', 0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, get_args

import msgspec

from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Behavior, Event, Identify, ItemEvents
from streamrank_client.malformed import legible
from streamrank_client.partitioner import partition_for
from streamrank_client.rules import rule_key
from streamrank_client.topics import Topics, TopicSpec

__all__ = ["BEHAVIORS", "IDENTIFY", "ITEM_TAGS", "Head", "Route", "head", "head_of", "route"]

#: tag -> struct of every behaviour event, in the order of their declaration
BEHAVIORS: Final[dict[str, type[msgspec.Struct]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Behavior)
}
#: tag of what joins a visitor to a user
IDENTIFY: Final = str(Identify.__struct_config__.tag)
#: tags of what goes to item-events
ITEM_TAGS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(ItemEvents))


class Head(msgspec.Struct):
    """What of an event is needed to send it somewhere: its tag, its time and whatever may be its key."""

    event: str = ""
    time: int | None = None
    item_id: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    rule_id: str | None = None
    anonymous_id: str | None = None


class Route(NamedTuple):
    """A topic, the record's key there and the partition that the key belongs to."""

    spec: TopicSpec
    key: bytes | None
    partition: int


_decode_head: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
_decode_fields: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])


def head(raw: bytes) -> Head | None:
    """An event's head, as much of it as can be read and has the right type; None where that is nothing.

    >>> head(b'{"event":"click","time":"soon","user_id":7,"item_id":"p1"}')
    Head(event='click', time=None, item_id='p1', user_id=None, request_id=None, rule_id=None, anonymous_id=None)
    >>> head(b'{"event":') is None
    True
    """
    try:
        return _decode_head.decode(raw)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(legible(raw))
    try:
        return _lenient(_decode_fields.decode(raw))
    except msgspec.ValidationError:  # JSON, and no object
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(legible(raw))


def head_of(event: Event) -> Head:
    """The head of an event. Raises InvalidEvent for an answer: workers publish those."""
    if isinstance(event, Answer):
        raise InvalidEvent("invalid", "event", "only workers publish answers: publish other events")
    names = {name: getattr(event, name) for name in Head.__struct_fields__ if hasattr(event, name)}
    return Head(event=str(event.__struct_config__.tag), **names)


def route(head: Head | None, topics: Topics) -> Route:
    """The topic, key and partition of the event with this head; behavior-events where nothing can be read.

    An event without an id to be keyed by lies on partition 0, without a key; on item-events, which is compacted and
    takes no record without one, under the empty key.
    """
    head = head or Head()
    name: str | None
    if head.event in ITEM_TAGS:
        spec = topics.item_events
        name = rule_key(head.rule_id) if head.rule_id and not head.item_id else head.item_id or ""
    elif head.event == "query":
        spec, name = topics.query_events, head.user_id or head.request_id
    else:
        spec, name = topics.behavior_events, head.anonymous_id if head.event == IDENTIFY else head.user_id
    key = None if name is None else name.encode(errors="replace")
    if not key:
        return Route(spec, key if spec is topics.item_events else None, 0)
    return Route(spec, key, partition_for(key, spec.partitions))


def _lenient(found: Mapping[str, object] | None) -> Head | None:
    """The head of an object in which some field has a wrong type, or that is not quite JSON."""
    if found is None:
        return None
    names = ("item_id", "user_id", "request_id", "rule_id", "anonymous_id")
    texts = {name: value for name in names if isinstance(value := found.get(name), str)}
    tag, at = found.get("event"), found.get("time")
    return Head(
        event=tag if isinstance(tag, str) else "",
        time=at if isinstance(at, int) and not isinstance(at, bool) else None,
        **texts,
    )
