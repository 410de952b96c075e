"""The contestants: stock Faust agents, `async for event in stream`, as Faust's own documentation writes them.

One only decodes; one also does a GET and a SET in Redis for each event. They get what helps them and costs
nothing: uvloop, msgspec's decoder of the same structs, no web server, no leader topic, no tables.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import faust
from redis.asyncio import Redis

from streamrank_client.events import decode_behavior
from streams.kafka.transport import BatchOptions
from streams.settings import Settings

__all__ = ["stock_app"]

Up = Callable[[float], None]


def stock_app(settings: Settings, topic: str, with_redis: bool, up: Up) -> faust.App:
    """A stock Faust app with one agent on ``topic``; ``up`` is told when the first event came.

    It commits as often as streamrank's worker does. Its working folder gets a data folder.
    """
    app = faust.App(
        settings.group,
        broker=f"kafka://{settings.kafka}",
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=BatchOptions().commit_interval,
    )
    source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    agent = _with_redis(settings, up) if with_redis else _decode_only(up)
    app.agent(source, name="stock")(agent)
    return app


def _decode_only(up: Up) -> Callable[[Any], Any]:
    async def run(stream: Any) -> None:
        first = True
        async for value in stream:
            if first:
                first = False
                up(monotonic())
            decode_behavior(value)

    return run


def _with_redis(settings: Settings, up: Up) -> Callable[[Any], Any]:
    async def run(stream: Any) -> None:
        redis = Redis.from_url(settings.redis, protocol=2)
        first = True
        async for value in stream:
            if first:
                first = False
                up(monotonic())
            key = f"stock:{decode_behavior(value).user_id}"
            events = int(await redis.get(key) or 0)
            await redis.set(key, events + 1)

    return run
