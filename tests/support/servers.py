"""What integration tests need of servers: topics of their own, produced records, and reasons to skip."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]

from streams.kafka.transport import BatchProducer

__all__ = ["Broker", "need"]


def need(reason: str | None) -> None:
    """Skip for this reason, if any; where servers are required (CI), fail instead."""
    if reason is None:
        return
    if os.environ.get("STREAMRANK_REQUIRE_SERVERS") == "1":
        pytest.fail(f"STREAMRANK_REQUIRE_SERVERS=1, but {reason}")
    pytest.skip(reason)


def flush(url: str) -> None:
    """Empty the Redis database of this URL."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@dataclass(frozen=True)
class Broker:
    """A Kafka address, and a prefix that no other test uses for its topics and groups."""

    kafka: str
    prefix: str
    #: longest wait of a fetch that finds nothing: Tansu wakes no waiting fetch
    fetch_max_wait_ms: int = 50
    tansu: bool = False
    made: list[str] = field(default_factory=list)

    def name(self, what: str) -> str:
        """A topic or group name of this test."""
        return f"{self.prefix}-{what}"

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """A started admin client."""
        client = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await client.start()
        try:
            yield client
        finally:
            await client.close()

    async def create(self, what: str, partitions: int = 1, *, exact_name: bool = False, **config: str) -> str:
        """Create a topic; its full name, once the broker tells of it. ``config`` keys use ``_`` for ``.``."""
        topic = what if exact_name else self.name(what)
        settings = {key.replace("_", "."): value for key, value in config.items()}
        async with self.admin() as client:
            await client.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
            known = await client.list_topics()
            while topic not in known:
                await asyncio.sleep(0.01)
                known = await client.list_topics()
        self.made.append(topic)
        return topic

    async def produce(
        self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]], partition: int = 0
    ) -> None:
        """Store records in one partition, in order."""
        async with BatchProducer(self.kafka) as producer:
            await asyncio.gather(*await producer.send_many(topic, partition, records))

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The group's committed offset of each partition that has one."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            await consumer._client.add_topic(topic)
            tps = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
            consumer.assign(tps)
            offsets = {tp.partition: await consumer.committed(tp) for tp in tps}
        finally:
            await consumer.stop()
        return {partition: offset for partition, offset in offsets.items() if offset is not None}
