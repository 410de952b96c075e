"""Messages to Kafka: what a worker publishes, through one producer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from streams.kafka.transport import BatchProducer
from streams.wire.messages import Message


class KafkaPublisher:
    """Publishes through the worker's producer, and returns once the brokers have everything."""

    def __init__(self, producer: BatchProducer, shop_topics: str = "") -> None:
        """``shop_topics``: how the topics of this worker's shop begin; those of other shops are not there for it."""
        self._producer = producer
        self._shop_topics = shop_topics
        self._known: frozenset[str] = frozenset()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Send all, then wait for all acknowledgements."""
        if messages:
            send = self._producer.send
            sent = [await send(m.topic, m.key, m.value, m.partition, list(m.headers), m.timestamp_ms) for m in messages]
            await asyncio.gather(*sent)

    async def exists(self, topic: str) -> bool:
        """Whether the brokers have this topic, and it may be written to."""
        if topic not in self._known:
            self._known = await self._producer.topics()
        return topic in self._known and topic.startswith(self._shop_topics)
