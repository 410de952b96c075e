"""``POST /v1/ask``: a query, and its answer; ``GET /v1/suggest``: what completes a text."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from streamrank_client.answers import Answer, Suggestion
from streamrank_client.client import Client
from streamrank_client.errors import StreamrankError
from streamrank_client.events import Query, decode_query, encode, invalid
from streamrank_client.fields import Place
from streamrank_client.limits import PAGE_ITEMS
from streamrank_client.making import new_id, now
from streamrank_client.shapes import unknown_fields
from streams.gateway.after import brought
from streams.gateway.bodies import body_of
from streams.gateway.guard import UNKNOWN_FIELDS, Guard
from streams.gateway.refusals import RefusedRequest, of_error, of_event
from streams.gateway.tokens import Caller
from streams.web.structs import as_json

__all__ = ["LONGEST_MS", "Asking", "Suggestions", "query_of", "unknown_in"]

#: the longest that a request may have the gateway wait
LONGEST_MS: Final = 30_000
#: seconds in which Kafka must take a query, before the wait for its answer begins
_SENT_WITHIN: Final = 5.0
#: fields that are told of those that no query has
_TOLD: Final = 10
#: suggestions where a request does not say how many
_SUGGESTED: Final = 10

_object: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])


class Suggestions(msgspec.Struct, frozen=True):
    """Texts that complete what was typed, best first."""

    suggestions: list[Suggestion]


class Asking:
    """Asks what is posted, and waits for the answer."""

    def __init__(self, client: Client, guard: Guard, timeout_ms: int) -> None:
        """``timeout_ms``: how long is waited for an answer where a request does not say."""
        self._client = client
        self._guard = guard
        self._timeout_ms = timeout_ms
        self._asked: set[str] = set()

    async def ask(self, request: web.Request) -> web.Response:
        """A query by its fields: none of them must be there."""
        caller = self._guard.caller(request, "ask")
        self._guard.charge(caller)
        timeout_ms = _whole(request, "timeout_ms", self._timeout_ms, LONGEST_MS)
        raw = await body_of(request)
        query = query_of(raw, caller)
        if query.after is None:
            query.after = self._after(request, query.user_id)
        unknown = unknown_in(raw)
        return as_json(await self._answer(query, timeout_ms), headers={UNKNOWN_FIELDS: unknown} if unknown else None)

    async def suggest(self, request: web.Request) -> web.Response:
        """What completes ``text``, at most ``limit`` texts."""
        caller = self._guard.caller(request, "ask")
        self._guard.charge(caller)
        timeout_ms = _whole(request, "timeout_ms", self._timeout_ms, LONGEST_MS)
        limit = _whole(request, "limit", _SUGGESTED, PAGE_ITEMS)
        asked = {"surface": "search", "text": request.query.get("text", ""), "limit": limit, "suggest": True}
        answer = await self._answer(query_of(encode(asked), caller), timeout_ms)
        return as_json(Suggestions(answer.suggestions))

    async def _answer(self, query: Query, timeout_ms: int) -> Answer:
        if query.request_id in self._asked:
            said = "a query with this request_id is being answered: leave it out, or send another one"
            raise RefusedRequest(409, "conflict", said, "request_id", query.request_id)
        self._asked.add(query.request_id)
        try:
            async with asyncio.timeout(timeout_ms / 1000 + _SENT_WITHIN):
                return await self._client.ask_query(query, timeout_ms / 1000)
        except TimeoutError:
            said = f"Kafka has not taken the query within {_SENT_WITHIN:g} s: try again"
            raise RefusedRequest(503, "unavailable", said, request_id=query.request_id) from None
        except StreamrankError as error:
            raise of_error(error, query.request_id) from error
        finally:
            self._asked.discard(query.request_id)

    def _after(self, request: web.Request, user_id: str | None) -> Place | None:
        """The place that the request brings, else that of the user's last event which this gateway published."""
        place = brought(request, user_id, self._client.topics.behavior_events.partitions)
        return self._client.last_place(user_id) if place is None and user_id is not None else place


def query_of(raw: bytes, caller: Caller) -> Query:
    """The query with what it lacks: time, request id, a bound caller's user. Raises RefusedRequest naming the field."""
    try:
        given = _object.decode(raw)
        given = {name: value for name, value in given.items() if value is not None}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(error, raw) from None
    if "reply_topic" in given:
        said = "answers come in the response: leave it out"
        raise RefusedRequest(400, "invalid", said, "reply_topic", str(given["reply_topic"])[:100])
    if caller.user_id is not None:
        if given.get("user_id", caller.user_id) != caller.user_id:
            said = "this token is another user's: leave user_id out"
            raise RefusedRequest(403, "user", said, "user_id", str(given["user_id"])[:128])
        if "request_id" in given:
            said = "a user's token may not choose it: leave it out"
            raise RefusedRequest(403, "user", said, "request_id", str(given["request_id"])[:128])
        given["user_id"] = caller.user_id
    whole = encode({"event": "query", "time": now(), "request_id": new_id(), **given})
    try:
        return decode_query(whole)
    except msgspec.ValidationError as error:
        raise _wrong(error, whole) from None


def unknown_in(raw: bytes) -> str:
    """What a query has that no query has, such as a misspelt field, for a header: ``txt, filters.brnd``.

    >>> unknown_in(b'{"txt":"tea","filters":{"brnd":["A"]},"limit":3}')
    'txt, filters.brnd'
    """
    unknown = unknown_fields({**_object.decode(raw), "event": "query"}, Query)
    return ", ".join(quote(one.path, safe=".[]")[:100] for one in unknown[:_TOLD])


def _wrong(error: msgspec.DecodeError | UnicodeDecodeError | RecursionError, raw: bytes) -> RefusedRequest:
    why = of_event(invalid(error, raw), raw)
    return RefusedRequest(400, why.code, why.message, why.field, why.value)


def _whole(request: web.Request, name: str, default: int, most: int) -> int:
    """A number from 1 in the address. Raises RefusedRequest for a parameter that is no such number."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and 1 <= int(text) <= most):
        what = "milliseconds" if name.endswith("_ms") else "a number"
        raise RefusedRequest(400, "invalid", f"expected {what} from 1 to {most}", name, text[:40])
    return int(text)
