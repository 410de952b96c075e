"""The thread that talks to Kafka: its aiokafka consumer, exact seeks, fetches that know what they follow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from typing import Any, cast

import aiokafka  # type: ignore[import-untyped]
from aiokafka.coordinator.assignors.range import (  # type: ignore[import-untyped]
    RangePartitionAssignor,
)
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Transport, ensure_aiokafka_TP
from faust.types import TP

from streams.kafka.transport.options import BatchOptions
from streams.kafka.transport.records import unpack_to_tuples

__all__ = ["BatchThread", "Fetched"]


class Fetched(dict[TP, list[Any]]):
    """Records by partition, with each partition's position after them and the seek that they follow."""

    __slots__ = ("positions", "seeks")

    def __init__(self, records: Mapping[Any, list[Any]]) -> None:
        super().__init__((ensure_TP(tp), rows) for tp, rows in records.items())
        self.positions: dict[TP, int] = {}
        self.seeks: dict[TP, int] = {}


class BatchThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with the settings of ``BatchOptions`` and record tuples for batch topics."""

    #: how often each partition was sought; a fetch drained before a seek must not be delivered after it
    seeks: dict[TP, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seeks = {}

    @property
    def _options(self) -> BatchOptions:
        return cast(Any, self.consumer).options  # type: ignore[no-any-return]

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust gives no setting for these two; aiokafka reads them when the consumer starts.
        consumer._fetch_max_wait_ms = self._options.fetch_max_wait_ms
        # Range gives one worker the same partitions of all topics with equal counts (both sides of a user).
        # Faust's own assignor does too, but Faust uses round-robin for apps without tables.
        consumer._partition_assignment_strategy = (RangePartitionAssignor,)
        return consumer

    async def on_start(self) -> None:
        """Start the consumer and make it unpack batch topics to tuples; nothing has been fetched yet."""
        await super().on_start()
        if not self.app.client_only:
            unpack_to_tuples(self._ensure_consumer()._fetcher, self._is_batch_topic)

    def _is_batch_topic(self, topic: str) -> bool:
        return topic in cast(Any, self.app.topics).batch_topics

    async def on_thread_stop(self) -> None:
        """Leave the group, also in generation 0 (Tansu begins there), in which aiokafka would not say so."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        if getattr(coordinator, "generation", None) == 0:
            cast(Any, coordinator).generation = 1
        await super().on_thread_stop()

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Fetched:
        fetched = Fetched(await super()._fetch_records(consumer, active_partitions, timeout, max_records))
        for tp in fetched:
            # The position is known, so this does not wait, and no seek comes between the records and its number.
            fetched.positions[tp] = await consumer.position(ensure_aiokafka_TP(tp))
            fetched.seeks[tp] = self.seeks.get(tp, 0)
        return fetched

    async def seek_exactly(self, starts: Mapping[TP, int], tps: Set[TP]) -> dict[TP, int]:
        """Put each of ``tps`` at its start, else at its committed offset, else where the reset policy says.

        Returns the positions. Unlike ``seek_to_committed`` it also moves partitions that have no commit yet:
        a fetch that a rebalance dropped had moved those on.
        """
        return cast("dict[TP, int]", await self.call_thread(self._seek_exactly, dict(starts), set(tps)))

    async def _seek_exactly(self, starts: dict[TP, int], tps: set[TP]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        targets = {tp: starts.get(tp, -1) for tp in tps}
        for tp, start in targets.items():
            if start < 0:
                committed = await consumer.committed(ensure_aiokafka_TP(tp))
                targets[tp] = -1 if committed is None else committed
        reset = [ensure_aiokafka_TP(tp) for tp, start in targets.items() if start < 0]
        for tp, start in targets.items():
            self.seeks[tp] = self.seeks.get(tp, 0) + 1
            if start >= 0:
                consumer.seek(ensure_aiokafka_TP(tp), start)
        if reset:
            earliest = self.app.conf.consumer_auto_offset_reset == "earliest"
            await (consumer.seek_to_beginning if earliest else consumer.seek_to_end)(*reset)
        kafka_tps = {tp: ensure_aiokafka_TP(tp) for tp in tps}
        found = await asyncio.gather(*(consumer.position(kafka_tp) for kafka_tp in kafka_tps.values()))
        return dict(zip(kafka_tps, found, strict=True))
