"""Answers as they arrive: each handed to whoever asked, and to those who follow all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord  # type: ignore[import-untyped]

from streamrank_client.answers import REQUEST_ID, Answer, decode_answer
from streamrank_client.bounded import Bounded
from streamrank_client.errors import StreamrankError
from streamrank_client.events import invalid
from streamrank_client.following import records

__all__ = ["Answers"]

#: request ids within which a redelivered answer is known
_WINDOW: Final = 10_000
#: answers that may wait for a follower
_WAITING: Final = 10_000

_log = logging.getLogger(__name__)


class Answers:
    """Correlates answers with queries by request id; a redelivered answer counts once."""

    def __init__(self) -> None:
        self._expected: dict[str, asyncio.Future[Answer]] = {}
        self._followers: set[asyncio.Queue[Answer | StreamrankError]] = set()
        self._done: Bounded[str, None] = Bounded(_WINDOW)
        #: why answers can no longer be read, None while they can
        self.broken: StreamrankError | None = None

    @contextmanager
    def expected(self, request_id: str) -> Iterator[asyncio.Future[Answer]]:
        """A future that ends with the answer to ``request_id``; enter before the query is sent.

        Raises StreamrankError when answers can no longer be read.
        """
        if self.broken is not None:
            raise self.broken
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._expected[request_id] = future
        try:
            yield future
        finally:
            del self._expected[request_id]

    def follow(self) -> AsyncGenerator[Answer, None]:
        """Every answer from this call on, each once. Raises StreamrankError when answers can no longer be read."""
        waiting: asyncio.Queue[Answer | StreamrankError] = asyncio.Queue()
        if self.broken is not None:
            waiting.put_nowait(self.broken)
        self._followers.add(waiting)
        return self._drain(waiting)

    async def _drain(self, waiting: asyncio.Queue[Answer | StreamrankError]) -> AsyncGenerator[Answer, None]:
        try:
            while True:
                answer = await waiting.get()
                if isinstance(answer, StreamrankError):
                    raise answer
                yield answer
        finally:
            self._followers.discard(waiting)

    @asynccontextmanager
    async def reading(self, consumer: AIOKafkaConsumer) -> AsyncIterator[None]:
        """Read the consumer while the block runs; what ends the reading is raised to all who wait."""
        task = asyncio.create_task(self._read(consumer), name="streamrank-answers")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        try:
            async for record in records(consumer):
                self._take(record)
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._fail(StreamrankError(f"answers can no longer be read, open a new client: {reason}"))

    def _take(self, record: ConsumerRecord) -> None:
        """Give a record to those who wait for it; most answers are for others and are not even decoded."""
        named = dict(record.headers).get(REQUEST_ID)
        if named is not None and not self._followers and named.decode(errors="replace") not in self._expected:
            return
        try:
            answer = decode_answer(record.value or b"")
        except msgspec.DecodeError as error:
            reason = str(invalid(error))
            _log.warning("not an answer: %s[%d] %d: %s", record.topic, record.partition, record.offset, reason)
            asked = self._expected.get(named.decode(errors="replace")) if named is not None else None
            if asked is not None and not asked.done():
                asked.set_exception(StreamrankError(f"the worker's answer cannot be read: {reason}"))
            return
        future = self._expected.get(answer.request_id)
        if future is not None and not future.done():
            future.set_result(answer)
        if self._followers and answer.request_id not in self._done:
            self._done.put(answer.request_id, None)
            self._hand_on(answer)

    def _hand_on(self, answer: Answer) -> None:
        for waiting in list(self._followers):
            if waiting.qsize() < _WAITING:
                waiting.put_nowait(answer)
            else:
                self._followers.discard(waiting)
                waiting.put_nowait(StreamrankError(f"{_WAITING} answers wait: read answers() faster"))

    def _fail(self, error: StreamrankError) -> None:
        self.broken = error
        for future in self._expected.values():
            if not future.done():
                future.set_exception(error)
        for waiting in self._followers:
            waiting.put_nowait(error)
