"""Batches with a wrong checksum are kept whole in the topic damaged-batches, and told."""

from __future__ import annotations

import structlog

from streams.kafka.transport import DamagedBatch
from streams.wire.messages import Message, Publisher
from streams.worker.metrics import Metrics

__all__ = ["Keeper", "key_of"]

log = structlog.get_logger(__name__)


def key_of(batch: DamagedBatch) -> str:
    """What a damaged batch is called; the same batch has the same name however often it is found.

    >>> key_of(DamagedBatch(TP("behavior-events", 3), 40, 52, b""))
    'behavior-events[3] 40-51'
    """
    return f"{batch.tp.topic}[{batch.tp.partition}] {batch.first}-{batch.next_offset - 1}"


class Keeper:
    """Publishes damaged batches."""

    def __init__(self, publisher: Publisher, topic: str, metrics: Metrics) -> None:
        self._publisher = publisher
        self._topic = topic
        self._metrics = metrics

    async def keep(self, batch: DamagedBatch) -> None:
        """Return once all in-sync replicas have it. Raises KafkaError."""
        await self._publisher.publish([Message(self._topic, key_of(batch).encode(), batch.raw)])
        self._metrics.damaged_batches.labels(batch.tp.topic).inc()
        log.error(
            "a batch with a wrong checksum was set aside, its events do not count: see to the broker's disk",
            batch=key_of(batch),
            bytes=len(batch.raw),
            kept_in=self._topic,
        )
