"""``POST /v1/events`` and ``/v1/items``: one event as JSON, or many as lines of it; accepted once Kafka has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from streamrank_client.client import Client
from streamrank_client.errors import InvalidEvent, StreamrankError
from streamrank_client.events import (
    BehaviorEvents,
    Identify,
    ItemEvents,
    UserEvent,
    decode_behavior_event,
    decode_item,
    encode,
    invalid,
)
from streamrank_client.fields import Place
from streamrank_client.limits import MAX_RECORD_BYTES
from streamrank_client.making import new_id, now
from streamrank_client.routing import BEHAVIORS, IDENTIFY, ITEM_TAGS, Head, head, head_of, route
from streamrank_client.rules import Rule, check_rule
from streamrank_client.sending import Ready
from streams.gateway.after import told
from streams.gateway.bodies import body_of, lines_of
from streams.gateway.guard import Guard
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.refusals import ErrorDetail, RefusedRequest, of_event
from streams.gateway.tokens import Caller
from streams.web.structs import as_json

__all__ = ["ACKNOWLEDGED_WITHIN", "EVENTS", "ITEMS", "Accepted", "Door", "Posting", "RefusedLine"]

#: seconds in which Kafka must acknowledge what was posted
ACKNOWLEDGED_WITHIN: Final = 10.0
#: bytes of events that may wait for it; what comes beyond is refused at once
MOST_UNDER_WAY: Final = 64 << 20
#: lines that are decoded at a time
_AT_A_TIME: Final = 500


class RefusedLine(msgspec.Struct, frozen=True):
    """A line that was not accepted, by its number from 1; the rest as of an error."""

    line: int
    code: str
    message: str
    field: str
    value: bool | int | float | str | None


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a post: how many events Kafka has acknowledged, and the lines that were ``refused``.

    ``event_id``: of the one event posted, where it is a behaviour. ``after``: the place of the last event, where all
    are one user's: a query that brings it has learnt from them. ``error``: where nothing was accepted.
    """

    accepted: int
    refused: list[RefusedLine]
    error: ErrorDetail | None = None
    event_id: str | None = None
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Door:
    """What may be posted where. ``filled``: the fields that are made up where an event lacks them, and how."""

    path: str
    tags: frozenset[str]
    decode: Callable[[bytes], BehaviorEvents | ItemEvents]
    filled: Mapping[str, Callable[[], object]]


EVENTS: Final = Door(
    "/v1/events", frozenset((*BEHAVIORS, IDENTIFY)), decode_behavior_event, {"event_id": new_id, "time": now}
)
ITEMS: Final = Door("/v1/items", ITEM_TAGS, decode_item, {"time": now})
_DOOR_OF: Final = {
    **dict.fromkeys(EVENTS.tags, EVENTS.path),
    **dict.fromkeys(ITEMS.tags, ITEMS.path),
    "query": "/v1/ask",
}

_object: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])


class Posting:
    """Publishes what is posted."""

    def __init__(self, client: Client, guard: Guard, metrics: GatewayMetrics) -> None:
        self._client = client
        self._guard = guard
        self._metrics = metrics
        #: bytes that Kafka has not acknowledged yet
        self._under_way = 0

    async def events(self, request: web.Request) -> web.Response:
        """Behaviour events."""
        return await self._post(request, EVENTS, self._guard.caller(request, "publish"))

    async def items(self, request: web.Request) -> web.Response:
        """Items, their updates and deletions, and rules; not by users."""
        caller = self._guard.caller(request, "publish")
        if caller.user_id is not None:
            raise RefusedRequest(403, "user", "a user's token may not publish items: use a token of the shop")
        return await self._post(request, ITEMS, caller)

    async def _post(self, request: web.Request, door: Door, caller: Caller) -> web.Response:
        raw = await body_of(request)
        lines = lines_of(request, raw)
        self._guard.charge(caller, 1 if lines is None else len(lines))
        if lines is None:
            return await self._one(raw, door, caller)
        records: list[Ready] = []
        refused: list[RefusedLine] = []
        for place, (number, line) in enumerate(lines, 1):
            if not place % _AT_A_TIME:
                await asyncio.sleep(0)  # others are answered meanwhile
            try:
                records.append(self.ready(line, door, caller))
            except RefusedRequest as error:
                why = error.body.error
                refused.append(RefusedLine(number, why.code, why.message, why.field, why.value))
        self._metrics.refused.inc(len(refused))
        places = await self._publish(records)
        wrong = None if records else ErrorDetail("refused", f"none of the {len(refused)} lines was accepted")
        return _response(Accepted(len(records), refused, wrong, after=_of_one_user(records, places)))

    async def _one(self, raw: bytes, door: Door, caller: Caller) -> web.Response:
        try:
            record = self.ready(raw, door, caller)
        except RefusedRequest:
            self._metrics.refused.inc()
            raise
        places = await self._publish([record])
        event_id = _object.decode(record.raw).get("event_id") if door is EVENTS else None
        after = _of_one_user([record], places)
        return _response(Accepted(1, [], event_id=str(event_id) if event_id else None, after=after))

    def ready(self, raw: bytes, door: Door, caller: Caller) -> Ready:
        """An event that may be published. Raises RefusedRequest naming the field and value that keep it from it."""
        try:
            raw, event = _decoded(raw, door, caller)
            if isinstance(event, Rule):
                check_rule(event)
        except InvalidEvent as error:
            raise _refusal(of_event(error, raw)) from None
        _check_user(event, caller)
        user_id = event.user_id if isinstance(event, UserEvent) else None
        return Ready(route(head_of(event), self._client.topics), raw, user_id)

    async def _publish(self, records: list[Ready]) -> list[Place]:
        """Their places, once Kafka has acknowledged all. Raises RefusedRequest with 503 where it has not."""
        if not records:
            return []
        size = sum(len(record.raw) for record in records)
        if self._under_way + size > MOST_UNDER_WAY:
            raise RefusedRequest(
                503, "busy", "Kafka is slower than events come: try again", headers={"Retry-After": "1"}
            )
        self._under_way += size
        task = asyncio.create_task(self._client.publish_ready(records))
        task.add_done_callback(partial(self._ended, size))
        done, _ = await asyncio.wait([task], timeout=ACKNOWLEDGED_WITHIN)
        why = task.exception() if done else f"Kafka has not acknowledged them in {ACKNOWLEDGED_WITHIN:g} s"
        if why is None:
            self._metrics.accepted.inc(len(records))
            return task.result()
        self._metrics.unacknowledged.inc(len(records))
        if isinstance(why, BaseException) and not isinstance(why, StreamrankError):
            raise why
        said = f"{why}; some of the events may be stored: send them again, with an event_id they count once"
        raise RefusedRequest(503, "unavailable", said, headers={"Retry-After": "1"})

    def _ended(self, size: int, task: asyncio.Task[list[Place]]) -> None:
        self._under_way -= size
        if not task.cancelled():
            task.exception()  # it is told to who waits; where nobody does any more, it has been told that it is late


def _decoded(raw: bytes, door: Door, caller: Caller) -> tuple[bytes, BehaviorEvents | ItemEvents]:
    """An event, and the bytes that it lies in: with what it lacks, where that can be made up. Raises InvalidEvent."""
    if len(raw) > MAX_RECORD_BYTES:
        raise InvalidEvent("too_large", "", f"{len(raw)} bytes: at most {MAX_RECORD_BYTES} in one event")
    try:
        return raw, door.decode(raw)
    except msgspec.ValidationError as error:
        tag = (head(raw) or Head()).event
        if tag in _DOOR_OF and tag not in door.tags:
            raise InvalidEvent("unknown_event", "event", f"not taken here: post it to {_DOOR_OF[tag]}") from None
        whole = _filled(raw, door, caller)
        if whole is None:
            if raw.startswith(b"["):
                raise InvalidEvent("invalid", "", "a list: send one object, or many as lines of JSON") from None
            raise invalid(error, raw) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(error, raw) from None
    try:
        return whole, door.decode(whole)
    except msgspec.ValidationError as error:
        raise invalid(error, raw) from None


def _check_user(event: BehaviorEvents | ItemEvents, caller: Caller) -> None:
    """Raise RefusedRequest where a user's token is used for somebody else, or to take over what its user may not."""
    if caller.user_id is None:
        return
    user_id = event.user_id if isinstance(event, UserEvent | Identify) else None
    if user_id != caller.user_id:
        said = "this token is another user's: leave user_id out"
        raise RefusedRequest(403, "user", said, "user_id", user_id)
    if isinstance(event, Identify) and event.anonymous_id != caller.anonymous_id:
        said = "this token does not name this visitor: sign one with the claim anonymous_id"
        raise RefusedRequest(403, "user", said, "anonymous_id", event.anonymous_id)


def _filled(raw: bytes, door: Door, caller: Caller) -> bytes | None:
    """The event with what it lacks; None where it lacks nothing that can be made up, or cannot be read whole."""
    try:
        given = _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    more = {name: make() for name, make in door.filled.items() if given.get(name) is None}
    if caller.user_id is not None and given.get("user_id") is None:
        more["user_id"] = caller.user_id
    return encode({**given, **more}) if more else None


def _refusal(why: ErrorDetail) -> RefusedRequest:
    status = 413 if why.code == "too_large" else 400
    return RefusedRequest(status, why.code, why.message, why.field, why.value)


def _of_one_user(records: list[Ready], places: list[Place]) -> Place | None:
    """The place of the last event, where all are one user's."""
    users = {record.user_id for record in records}
    return places[-1] if len(users) == 1 and None not in users else None


def _response(accepted: Accepted) -> web.Response:
    """202 once something is accepted; 400 where all lines were refused."""
    status = 202 if accepted.accepted else 400
    response = as_json(accepted, status)
    if accepted.after is not None:
        told(response, accepted.after)
    return response
