"""Events made by a producer: fresh ids, the clock, and checks before anything is sent.

>>> behavior("click", event_id="e1", user_id="u1", item_id="p1", time=1).item_id
'p1'
"""

from __future__ import annotations

import math
import time as clock
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Behavior, Event, Identify, decode_event, encode, invalid
from streamrank_client.limits import MAX_RECORD_BYTES
from streamrank_client.rules import DeleteRule, Rule, check_rule
from streamrank_client.shapes import naming_allowed

__all__ = ["behavior", "checked", "from_fields", "identify", "new_id", "now", "rule"]


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


def identify(**fields: object) -> Identify:
    """An event that joins ``anonymous_id`` to ``user_id``; ``event_id`` and ``time`` as for ``behavior``.

    Raises InvalidEvent naming the field.
    """
    event: Identify = _made("identify", Identify, {"event_id": new_id()}, fields)
    return event


def rule(kind: str, **fields: object) -> Rule | DeleteRule:
    """A rule event of ``kind``, ``rule`` or ``delete_rule``; fields that are None are left out, ``time`` is now where
    it is missing. Raises InvalidEvent naming the field.
    """
    event: Rule | DeleteRule = _made(kind, Rule | DeleteRule, {}, fields)
    if isinstance(event, Rule):
        check_rule(event)
    return event


def from_fields(fields: Mapping[str, object], kind: Any) -> Any:
    """The event of ``kind``, a struct or several, that plain data make. Raises InvalidEvent naming the field.

    >>> try: from_fields({"event": "stare"}, Behavior)
    ... except InvalidEvent as error: print(error.message[:51])
    Invalid value 'stare': expected one of impression,
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise invalid(naming_allowed(error, kind)) from error


def _made(kind: str, union: Any, defaults: Mapping[str, object], fields: Mapping[str, object]) -> Any:
    given = {name: value for name, value in fields.items() if value is not None}
    event = from_fields({"time": now(), **defaults, **given, "event": kind}, union)
    unknown = given.keys() - set(event.__struct_fields__)
    if unknown:
        name = min(unknown)
        raise InvalidEvent("invalid", name, f"{kind!r} has no such field: leave it out")
    return event


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
        raise invalid(error, raw) from error
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
