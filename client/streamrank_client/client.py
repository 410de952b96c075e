"""The Python client: publish events, ask, follow the answers.

    async with Client("localhost:9092") as client:
        await client.publish(Click(event_id="e1", user_id="u1", item_id="p1", time=now()))
        answer = await client.ask(user_id="u1", text="coffee", limit=10, timeout=1.0)

A query carries the place of its user's last event that this client published, so the answer has learnt from
it. Everything is on one event loop; a client is not to be shared between threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from types import TracebackType
from typing import Final, Literal, Self

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.answers import Answer, Suggestion
from streamrank_client.bounded import Bounded
from streamrank_client.correlation import Answers
from streamrank_client.errors import AnswerTimeout, QueryRejected, StreamrankError
from streamrank_client.events import Event, Query
from streamrank_client.fields import Filters, Place
from streamrank_client.following import existing_topics, following, unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.making import behavior, identify, new_id, now
from streamrank_client.sending import Ready, ready, send
from streamrank_client.settings import ClientSettings, read, variable
from streamrank_client.vocabulary import Surface

__all__ = ["Client"]

#: users whose last place is remembered
_USERS: Final = 100_000
#: records handed to the producer before their acknowledgements are awaited
_IN_FLIGHT: Final = 2_000


class Client:
    """Publishes events and asks queries over Kafka; an async context manager.

    ``kafka`` is ``host:port`` (several comma separated); all else comes from ``settings``, by default
    from the environment. ``reply_topic`` names another topic than recommendations for this client's answers.
    Entering raises Unavailable when Kafka does not answer and SettingsError when the topics do not exist.
    """

    def __init__(
        self, kafka: str | None = None, *, settings: ClientSettings | None = None, reply_topic: str | None = None
    ) -> None:
        base = settings if settings is not None else read(ClientSettings)
        self.settings = replace(base, kafka=kafka) if kafka is not None else base
        self.topics = self.settings.topics
        self._reply_topic = reply_topic
        self._last: Bounded[str, Place] = Bounded(_USERS)
        self._producer: AIOKafkaProducer | None = None
        self._answers = Answers()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            consumer = await stack.enter_async_context(following(self.settings, self.reply_topic))
            producer = await stack.enter_async_context(_producing(self.settings))
            written = (self.topics.item_events, self.topics.behavior_events, self.topics.query_events)
            found = await existing_topics(self.settings, [spec.name for spec in written])
            self.topics = self.topics.with_partitions(found)
            for name in found:
                await producer.partitions_for(name)  # so that the first record does not wait for it
            await stack.enter_async_context(self._answers.reading(consumer))
            self._producer, self._stack = producer, stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer = None
        await self._stack.aclose()

    @property
    def broken(self) -> StreamrankError | None:
        """Why answers can no longer be read, None while they can: open a new client then."""
        return self._answers.broken

    @property
    def reply_topic(self) -> str:
        """The topic on which this client's answers arrive."""
        return self._reply_topic or self.topics.recommendations.name

    async def publish(self, event: Event) -> Place:
        """Publish one event; returns its place once all in-sync replicas have it.

        Raises InvalidEvent naming the field that a worker would refuse, Unavailable when Kafka fails.
        """
        return (await self.publish_many([event]))[0]

    async def publish_many(self, events: Iterable[Event]) -> list[Place]:
        """Publish events in their order, many at a time; returns their places. Raises as ``publish`` does."""
        places: list[Place] = []
        chunk: list[Event] = []
        for event in events:
            chunk.append(event)
            if len(chunk) == _IN_FLIGHT:
                places += await self._send(chunk)
                chunk = []
        return places + await self._send(chunk)

    async def event(self, kind: str, *, user_id: str, **fields: object) -> Place:
        """Publish a behaviour event by its kind (`click`, `purchase`, …), with a fresh id, at this moment.

        Raises InvalidEvent for an unknown kind, or a field that is missing or wrong.
        """
        return await self.publish(behavior(kind, user_id=user_id, **fields))

    async def identify(self, user_id: str, anonymous_id: str) -> Place:
        """Say that the visitor ``anonymous_id`` has logged in as ``user_id``: what was done so far is the user's.

        Raises as ``event`` does.
        """
        return await self.publish(identify(user_id=user_id, anonymous_id=anonymous_id))

    def last_place(self, user_id: str) -> Place | None:
        """The place of the user's last behaviour event that this client published."""
        return self._last.get(user_id)

    async def ask(
        self,
        user_id: str | None = None,
        text: str = "",
        surface: Surface | None = None,
        item_id: str | None = None,
        cart: Sequence[str] = (),
        candidates: Sequence[str] = (),
        limit: int = 10,
        filters: Filters | None = None,
        exclude: Sequence[str] = (),
        explain: bool = False,
        timeout: float = 1.0,
        time: int | None = None,
        offset: int = 0,
        page_of: str | None = None,
        language: Literal["en", "zh"] | None = None,
    ) -> Answer:
        """Ask, and wait for the answer; ``timeout`` in seconds, ``time`` in Unix ms (default: now).

        With ``explain`` each item has its ``reasons``, with a ``language`` also ``why`` in words.

        For page two give page one's ``time``, an ``offset``, and its request id as ``page_of``.

        Raises InvalidEvent for a query that cannot be sent, QueryRejected when the worker refuses it,
        AnswerTimeout when nothing came, Unavailable when Kafka fails.
        """
        query = Query(
            time=now() if time is None else time,
            request_id=new_id(),
            user_id=user_id,
            surface=surface,
            text=text,
            item_id=item_id,
            cart=list(cart),
            candidates=list(candidates),
            limit=limit,
            offset=offset,
            page_of=page_of,
            language=language,
            filters=filters,
            exclude=list(exclude),
            explain=explain,
            after=None if user_id is None else self._last.get(user_id),
            reply_topic=self._reply_topic,
        )
        return await self.ask_query(query, timeout)

    async def suggest(
        self, text: str, limit: int = 10, *, user_id: str | None = None, timeout: float = 1.0
    ) -> list[Suggestion]:
        """Texts that complete what was typed, best first; raises as ``ask`` does."""
        query = Query(
            time=now(),
            request_id=new_id(),
            user_id=user_id,
            surface="search",
            text=text,
            limit=limit,
            suggest=True,
            reply_topic=self._reply_topic,
        )
        return (await self.ask_query(query, timeout)).suggestions

    async def ask_query(self, query: Query, timeout: float = 1.0) -> Answer:
        """Publish a query that is ready, and wait for its answer; raises as ``ask`` does."""
        with self._answers.expected(query.request_id) as arriving:
            await self._send([query])
            try:
                answer = await asyncio.wait_for(arriving, timeout)
            except TimeoutError:
                raise self._late(query, timeout) from None
        if answer.error is not None:
            refused = answer.error
            raise QueryRejected(refused.code, refused.field, refused.message, answer.request_id)
        return answer

    def answers(self) -> AsyncGenerator[Answer, None]:
        """Every answer on the reply topic from this call on, to anybody's query, each once.

        Raises StreamrankError when it is read so slowly that 10,000 answers wait.
        """
        return self._answers.follow()

    async def publish_ready(self, records: Sequence[Ready]) -> list[Place]:
        """Publish events that were checked before (``sending.ready``). Raises Unavailable when Kafka fails; some of
        them may be stored then.
        """
        if self._producer is None:
            raise StreamrankError("the client is not open: use it as `async with Client(...) as client:`")
        try:
            places = await send(self._producer, records)
        except (KafkaError, OSError) as error:
            raise await unavailable(self.settings, error) from error
        for record, place in zip(records, places, strict=True):
            if record.user_id is not None:
                self._last.put(record.user_id, place)
        return places

    async def _send(self, events: Sequence[Event]) -> list[Place]:
        return await self.publish_ready([ready(event, self.topics) for event in events])

    def _late(self, query: Query, timeout: float) -> AnswerTimeout:
        names = {name: getattr(self.settings, name) for name in ("shop", "topic_prefix")}
        named = " and ".join(f"{variable(name)}={value!r}" for name, value in names.items())
        return AnswerTimeout(
            f"no answer to {query.request_id} within {timeout:.3g} s on {self.reply_topic} of "
            f"{self.settings.kafka}: is a worker with the role query running there, with {named}? "
            "`streamrank doctor` tells; after a cold start allow more time"
        )


@asynccontextmanager
async def _producing(settings: ClientSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer that sends each record at once and waits for all in-sync replicas."""
    producer = AIOKafkaProducer(**kafka_options(settings), acks="all", max_request_size=4 << 20, max_batch_size=1 << 18)
    try:
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise await unavailable(settings, error) from error
        yield producer
    finally:
        await producer.stop()
