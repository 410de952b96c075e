"""``GET /v1/answers`` and ``/v1/dead-letters``: server-sent events, as HTML has them.

An event has the name ``answer`` or ``dead_letter`` and a line of JSON. A comment every 15 s keeps the connection; the
token is looked at again as often. A stream that cannot go on ends with an event ``error``; a reader that is too slow is
one reason.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from time import monotonic
from typing import Final

import msgspec
from aiohttp import web
from aiokafka import ConsumerRecord  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.errors import StreamrankError
from streamrank_client.events import encode
from streamrank_client.following import following, records, unavailable
from streams.gateway.guard import Guard
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.refusals import RefusedRequest, of_error
from streams.web.web_port import answers_for_long

__all__ = ["STREAM", "Feed", "Following"]

#: events that may wait for a reader
_WAITING: Final = 1_000
#: seconds between two comments
ALIVE_S: Final = 15.0
#: the content type of server-sent events
STREAM: Final = "text/event-stream"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Told = bytes | StreamrankError
#: everybody's answers, as a key of those who follow
_ALL: Final = None


class Feed:
    """Answers, read once while anybody follows, and handed to those who follow their user or all."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._followers: dict[str | None, set[asyncio.Queue[Told]]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, user_id: str | None) -> AsyncIterator[asyncio.Queue[Told]]:
        """The answers to a user's queries, or to all, from now on; an error is the last that comes."""
        waiting: asyncio.Queue[Told] = asyncio.Queue()
        self._followers[user_id].add(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read(self._client.answers()), name="gateway-answers")
            await asyncio.sleep(0)  # it has begun, and closes what it reads when it ends
        try:
            yield waiting
        finally:
            self._drop(user_id, waiting)
            if not self._followers and self._task is not None:
                task, self._task = self._task, None
                task.cancel()

    async def _read(self, answers: AsyncGenerator[Answer, None]) -> None:
        try:
            async with aclosing(answers):
                async for answer in answers:
                    data = encode(answer)
                    for user_id in {answer.user_id, _ALL}:
                        for waiting in list(self._followers.get(user_id, ())):
                            self._hand_on(user_id, waiting, data)
        except StreamrankError as error:
            for group in self._followers.values():
                for waiting in group:
                    waiting.put_nowait(error)

    def _hand_on(self, user_id: str | None, waiting: asyncio.Queue[Told], data: bytes) -> None:
        if waiting.qsize() < _WAITING:
            waiting.put_nowait(data)
        else:
            self._drop(user_id, waiting)
            waiting.put_nowait(RefusedRequest(503, "slow", f"{_WAITING} answers wait: read faster"))

    def _drop(self, user_id: str | None, waiting: asyncio.Queue[Told]) -> None:
        group = self._followers.get(user_id)
        if group is not None:
            group.discard(waiting)
            if not group:
                del self._followers[user_id]


class Following:
    """Streams of answers and dead letters."""

    def __init__(self, client: Client, guard: Guard, metrics: GatewayMetrics) -> None:
        self._client = client
        self._guard = guard
        self._metrics = metrics
        self._feed = Feed(client)
        self._open: set[asyncio.Task[object]] = set()

    def stop(self) -> None:
        """End all streams."""
        for task in list(self._open):
            task.cancel()

    async def answers(self, request: web.Request) -> web.StreamResponse:
        """Answers to the queries of ``user_id``; of everybody without it, for operators."""
        user_id = request.query.get("user_id") or None
        look = partial(self._guard.caller, request, "ask", by_query=True)
        caller = look()
        if caller.user_id is not None:
            if user_id not in (None, caller.user_id):
                raise RefusedRequest(403, "user", "this token is another user's", "user_id", user_id)
            user_id = caller.user_id
        if user_id is None and "operate" not in caller.scopes:
            raise RefusedRequest(403, "scope", "only who may operate follows everybody: name a user_id", "user_id")
        async with self._feed.of(user_id) as waiting:
            return await self._stream(request, "answer", waiting.get, look)

    async def dead_letters(self, request: web.Request) -> web.StreamResponse:
        """Dead letters as they come; with ``from_start=true`` those before, too. For operators."""
        look = partial(self._guard.caller, request, "operate")
        if look().user_id is not None:
            raise RefusedRequest(403, "user", "dead letters are everybody's: use a token of the shop")
        from_start = request.query.get("from_start", "false")
        if from_start not in ("true", "false"):
            raise RefusedRequest(400, "invalid", "expected true or false", "from_start", from_start[:40])
        topic = self._client.topics.dead_letters.name
        return await self._records(request, "dead_letter", topic, look, _value, from_start=from_start == "true")

    async def weights(self, request: web.Request) -> web.StreamResponse:
        """The online rankers' weights by surface, those in force first, then as they are learnt. For operators."""
        look = partial(self._guard.caller, request, "operate")
        look()
        topic = self._client.topics.ranker_weights.name
        return await self._records(request, "weights", topic, look, _by_surface, from_start=True)

    async def _records(
        self,
        request: web.Request,
        name: str,
        topic: str,
        still: Callable[[], object],
        tell: Callable[[ConsumerRecord], bytes],
        *,
        from_start: bool,
    ) -> web.StreamResponse:
        """Stream the records of a topic, each as ``tell`` makes JSON of it."""
        settings = self._client.settings
        try:
            async with (
                following(settings, topic, from_start=from_start) as consumer,
                aclosing(records(consumer)) as found,
            ):

                async def record() -> Told:
                    try:
                        return tell(await anext(found))
                    except (KafkaError, OSError) as error:
                        return await unavailable(settings, error)

                return await self._stream(request, name, record, still)
        except StreamrankError as error:
            raise of_error(error) from error

    async def _stream(
        self,
        request: web.Request,
        name: str,
        following: Callable[[], Coroutine[object, object, Told]],
        still: Callable[[], object],
    ) -> web.StreamResponse:
        """Send what comes until the reader goes, this gateway stops, or ``still`` refuses."""
        response = web.StreamResponse(headers={"Content-Type": STREAM, **_HEADERS})
        answers_for_long(request)
        await response.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        streams = self._metrics.streams.labels(request.path)
        streams.inc()
        coming: asyncio.Task[Told] = asyncio.create_task(following())

        async def write(data: bytes) -> None:
            async with asyncio.timeout(ALIVE_S):
                await response.write(data)

        looked = monotonic()
        try:
            await write(b": follows\n\n")
            while True:
                done, _ = await asyncio.wait([coming], timeout=ALIVE_S)
                if monotonic() - looked >= ALIVE_S:
                    still()
                    looked = monotonic()
                if not done:
                    await write(b": alive\n\n")
                    continue
                told = coming.result()
                coming = asyncio.create_task(following())
                if isinstance(told, StreamrankError):
                    raise told
                await write(_event(name, told))
        except StreamrankError as error:
            with suppress(ConnectionError, TimeoutError):
                await write(_event("error", encode(of_error(error).body)))
        except (ConnectionError, TimeoutError):  # the reader is gone, or takes nothing any more
            response.force_close()
        except asyncio.CancelledError:  # the gateway stops
            task.uncancel()
        finally:
            self._open.discard(task)
            streams.dec()
            coming.cancel()
            await asyncio.wait([coming])  # what it reads can be closed only then
            if not coming.cancelled():
                coming.exception()
        return response


def _value(record: ConsumerRecord) -> bytes:
    return bytes(record.value or b"null")


def _by_surface(record: ConsumerRecord) -> bytes:
    return encode({"surface": (record.key or b"").decode(), "weights": msgspec.Raw(_value(record))})


def _event(name: str, data: bytes) -> bytes:
    """A server-sent event, also of data with lines in it.

    >>> _event("answer", b"{}"), _event("x", b"a\\nid: b")
    (b'event: answer\\ndata: {}\\n\\n', b'event: x\\ndata: a\\ndata: id: b\\n\\n')
    """
    lines = b"\ndata: ".join(data.splitlines())
    return b"event: " + name.encode() + b"\ndata: " + lines + b"\n\n"
