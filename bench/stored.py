"""When everything is done: watermarks in Redis and the group's committed offsets are at the topics' ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from redis.asyncio import Redis

from bench.processes import Process
from state import keys
from state.layouts import unpacked
from state.marks import next_of
from streamrank_client.errors import StreamrankError
from streamrank_client.kafka_options import kafka_options
from streams.settings import Settings

__all__ = ["Watch", "watching"]

#: seconds between two looks
LOOK_S: Final = 0.01
PATIENCE_S: Final = 150.0


class Watch:
    """Looks from outside at how far a worker is."""

    def __init__(
        self, settings: Settings, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, redis: Redis
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._admin = admin
        self._redis = redis

    async def ends(self, topic: str, partitions: int) -> dict[TopicPartition, int]:
        """The offset after the last record of each partition."""
        found: dict[TopicPartition, int] = await self._consumer.end_offsets(
            [TopicPartition(topic, p) for p in range(partitions)]
        )
        return found

    async def records(self, topic: str, partitions: int) -> int:
        """How many records a topic has got."""
        return sum((await self.ends(topic, partitions)).values())

    async def stored(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the watermarks are at these ends."""
        wanted = [keys.watermark(tp.partition, tp.topic) for tp in ends]
        marks: list[bytes | None] = await self._redis.mget(wanted)  # type: ignore[assignment]
        reached = [next_of(m and unpacked(name, m)) or 0 for name, m in zip(wanted, marks, strict=True)]
        return all(at >= end for at, end in zip(reached, ends.values(), strict=True))

    async def committed(self, group: str, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the group's committed offsets are at these ends."""
        found: Mapping[Any, Any] = await self._admin.list_consumer_group_offsets(group, partitions=list(ends))
        return all(found[tp].offset >= end for tp, end in ends.items() if end)

    async def flush(self) -> None:
        """Empty Redis."""
        await self._redis.flushall()

    async def until(self, process: Process, done: Sequence[Callable[[], Awaitable[bool]]]) -> float:
        """Look until all are true, one after the other; the moment (``time.monotonic``) of the last.

        Raises StreamrankError with the end of the process's log when it ends, or after 150 s.
        """
        deadline = monotonic() + PATIENCE_S
        for look in done:
            while not await look():
                if not process.alive or monotonic() > deadline:
                    state = "not done" if process.alive else "ended"
                    raise StreamrankError(f"{process.arguments} {state}; its log ends with:\n{process.log}")
                await asyncio.sleep(LOOK_S)
        return monotonic()


@asynccontextmanager
async def watching(settings: Settings) -> AsyncIterator[Watch]:
    """A watch on the Kafka and Redis of ``settings``."""
    consumer = AIOKafkaConsumer(**kafka_options(settings), group_id=None, enable_auto_commit=False)
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    redis = Redis.from_url(settings.redis)
    try:
        await consumer.start()
        await admin.start()
        yield Watch(settings, consumer, admin, redis)
    finally:
        await admin.close()
        await consumer.stop()
        await redis.aclose()
