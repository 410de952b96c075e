"""A tiny worker for tests of the client: it answers queries over Kafka with what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from streamrank_client.answers import Answer, AnswerItem
from streamrank_client.events import Query, decode_query, encode
from streamrank_client.following import following, records
from streamrank_client.topics import topics
from streams.settings import Settings

__all__ = ["answering", "echo"]

#: what to answer to a query: none, one or several answers
Reply = Callable[[Query], list[Answer]]


def echo(query: Query) -> list[Answer]:
    """One item whose id is the query's text; ``seen`` is what the query asked to be seen."""
    items = [AnswerItem(item_id=query.text or "home", score=1.0, propensity=1.0, sources=["trending"])]
    surface = query.surface or ("search" if query.text else "home")
    return [
        Answer(time=query.time, request_id=query.request_id, user_id=query.user_id, surface=surface,
               items=items[: query.limit], seen=query.after)
    ]  # fmt: skip


@asynccontextmanager
async def answering(settings: Settings, reply: Reply = echo) -> AsyncIterator[list[Query]]:
    """Answer every query while the block runs; yields the list of the queries seen."""
    named = topics(settings.partitions, settings.topic_prefix)
    seen: list[Query] = []
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)

    async def work(consumer: object) -> None:
        async for record in records(consumer):
            query = decode_query(record.value)
            seen.append(query)
            topic = query.reply_topic or named.recommendations.name
            for answer in reply(query):
                await producer.send_and_wait(
                    topic, encode(answer), key=record.key,
                    headers=[("request_id", answer.request_id.encode())],
                )  # fmt: skip

    async with following(settings, named.query_events.name) as consumer:
        await producer.start()
        task = asyncio.create_task(work(consumer))
        try:
            yield seen
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await producer.stop()


def twice(query: Query) -> list[Answer]:
    """The echo, delivered twice."""
    return [*echo(query), *msgspec.convert([msgspec.to_builtins(a) for a in echo(query)], list[Answer])]
