"""The yardstick of the query bench: a bare aiokafka consumer and producer that answers every query with one answer.

It decodes the query, as it must to know whom it answers, and sends ten items that are always the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from streamrank_client.answers import Answer, AnswerItem
from streamrank_client.events import decode_query, encode
from streamrank_client.following import following, records
from streamrank_client.kafka_options import kafka_options
from streams.settings import Settings

__all__ = ["echo"]

ITEMS: Final = [AnswerItem(item_id=f"{1_000_000 + n}", score=1.0, propensity=1.0, sources=["echo"]) for n in range(10)]


async def echo(settings: Settings, up: Callable[[], None]) -> None:
    """Answer until cancelled; ``up`` is called once queries are read."""
    named = settings.topics
    # the futures of what is under way, so that none is collected before it is done
    sent: set[asyncio.Future[object]] = set()
    producer = AIOKafkaProducer(**kafka_options(settings), acks="all")
    async with following(settings, named.query_events.name) as consumer:
        await producer.start()
        try:
            up()
            async for record in records(consumer):
                query = decode_query(record.value)
                answer = Answer(time=query.time, request_id=query.request_id, user_id=query.user_id, items=ITEMS)
                headers = [("request_id", query.request_id.encode())]
                future = await producer.send(
                    named.recommendations.name, encode(answer), key=record.key, headers=headers
                )
                sent.add(future)
                future.add_done_callback(sent.discard)
        finally:
            await producer.stop()
