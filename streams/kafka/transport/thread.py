"""The thread that talks to Kafka: its aiokafka consumer, exact seeks, fetches that know what they follow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import aiokafka  # type: ignore[import-untyped]
from aiokafka.coordinator.assignors.range import (  # type: ignore[import-untyped]
    RangePartitionAssignor,
)
from aiokafka.errors import ConsumerStoppedError  # type: ignore[import-untyped]
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import (
    AIOKafkaConsumerThread,
    Transport,
    ensure_aiokafka_TP,
)
from faust.types import TP

from streams.kafka.ending import ended
from streams.kafka.transport.committed import heed_group_errors
from streams.kafka.transport.damaged import DamagedBatch, damaged_batch, raw_fetch
from streams.kafka.transport.options import BatchOptions, Bounds
from streams.kafka.transport.records import unpack_to_tuples
from streams.wire.messages import Record

__all__ = ["BatchThread", "Fetched", "PositionMoved", "Run"]


class PositionMoved(Exception):
    """A consumer stands elsewhere than where its last fetch ended, and nobody sought."""


@dataclass(frozen=True, slots=True)
class Run:
    """Records drained of one partition in one go: all that it holds from ``position`` up to ``next_offset``; none where
    only markers, holes and aborted records lie between.

    ``seek``: the number of the last seek before it; a run drained before a seek must not be delivered after it.
    """

    records: list[Record]
    position: int
    next_offset: int
    seek: int


class Fetched(dict[TP, Run]):
    """What a fetch drained, by partition; ``broken``: partitions of which nothing more can be drained, and why."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[TP, Exception] = {}


@dataclass(slots=True)
class _Reading:
    """How far a partition was drained since its last seek. ``end``: up to where it was handed out, or where the seek
    went; ``position``: the consumer's own, which a batch that was set aside may have moved further.
    """

    seek: int
    end: int
    position: int


class BatchThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with the settings of ``BatchOptions`` and record tuples for batch topics."""

    #: how often each partition was sought
    seeks: dict[TP, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seeks = {}
        self._reading: dict[TP, _Reading] = {}

    @property
    def _options(self) -> BatchOptions:
        return cast(Any, self.consumer).options  # type: ignore[no-any-return]

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust gives no setting for these; aiokafka reads them when the consumer starts.
        consumer._fetch_max_wait_ms = self._options.fetch_max_wait_ms
        # An aborted transaction never happened. Faust reads committed records only where it writes transactions.
        consumer._isolation_level = "read_committed"
        # A position that Kafka no longer holds is a gap, to be told and decided on: never a silent jump.
        consumer._auto_offset_reset = "none"
        # Range gives one worker the same partitions of all topics with equal counts (both sides of a user).
        # Faust's own assignor does too, but Faust uses round-robin for apps without tables.
        consumer._partition_assignment_strategy = (RangePartitionAssignor,)
        return consumer

    async def on_start(self) -> None:
        """Start the consumer, have it heed what Kafka says of its group, and unpack batch topics to tuples; nothing has
        been fetched yet.
        """
        await super().on_start()
        if not self.app.client_only:
            consumer = self._ensure_consumer()
            heed_group_errors(consumer._coordinator)
            unpack_to_tuples(consumer._fetcher, self._is_batch_topic)

    def _is_batch_topic(self, topic: str) -> bool:
        return topic in cast(Any, self.app.topics).batch_topics

    async def on_thread_stop(self) -> None:
        """Leave the group, also in generation 0 (Tansu begins there), in which aiokafka would not say so."""
        coordinator = getattr(self._consumer, "_coordinator", None)
        if getattr(coordinator, "generation", None) == 0:
            cast(Any, coordinator).generation = 1
        await ended("consumer", super().on_thread_stop(), self._options.leave_timeout)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Have work finished and committed; then leave the group instead of joining it again, where that was asked for.

        Others whose rebalance it is do not wait for a second one so.
        """
        await super().on_partitions_revoked(revoked)
        app = cast(Any, self.app)
        if app.leaves_next:
            await cast(Any, self._ensure_consumer()._coordinator).maybe_leave_group()
            app.left = True
            raise asyncio.CancelledError  # it ends aiokafka's coordination, which would join again

    async def _fetch_records(  # type: ignore[override]  # runs instead of lists: BatchConsumer alone takes them
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Fetched:
        """Drain what was fetched of the active partitions; wait for some at most ``timeout`` seconds.

        Unlike aiokafka's own draining it knows from where to where each run reaches, and a partition that cannot be
        unpacked costs neither its own records before the fault nor those of others.
        """
        fetcher = consumer._fetcher
        if not cast(Any, self.consumer).flow_active:
            return Fetched()
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        deadline = monotonic() + (timeout or 0)
        with fetcher._subscriptions.fetch_context():
            while True:
                if fetcher._subscriptions.reassignment_in_progress:
                    await fetcher._subscriptions.wait_for_assignment()
                fetched = self._drained(fetcher, active_partitions)
                left = deadline - monotonic()
                if fetched or fetched.broken or left <= 0:
                    return fetched
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=left)
                if not waiter.done():
                    waiter.cancel()
                    return fetched
                waiter.result()  # raises where the client is not authorised

    def _drained(self, fetcher: Any, active_partitions: set[TP]) -> Fetched:
        """What lies fetched of these partitions; no seek can come between, as nothing here waits."""
        fetched = Fetched()
        for kafka_tp in list(fetcher._records):
            tp = ensure_TP(kafka_tp)
            if active_partitions and tp not in active_partitions:
                if not fetcher._subscriptions.is_assigned(kafka_tp):
                    del fetcher._records[kafka_tp]
                continue
            reading, result = self._reading.get(tp), fetcher._records.pop(kafka_tp)
            fetcher._notify(fetcher._wait_consume_future)
            if reading is None or reading.seek != self.seeks.get(tp, 0):
                continue  # fetched before it was put at its start
            try:
                if not hasattr(result, "getall"):
                    result.check_raise()
                state = fetcher._subscriptions.subscription.assignment.state_value(kafka_tp)
                before = state.position
                records = _whole(result, kafka_tp)
                after = state.position
            except Exception as error:
                fetched.broken[tp] = error
                continue
            if before != reading.position:
                fetched.broken[tp] = PositionMoved(
                    f"{tp}: read up to {reading.position}, but the consumer is at {before}"
                )
                continue
            reading.position = after
            if records:
                fetched[tp] = Run(records, reading.end, after, reading.seek)
                reading.end = after
        for tp, reading in self._reading.items():
            # else what ends a partition without a record would be a gap once Kafka has dropped it
            active = not active_partitions or tp in active_partitions
            if active and reading.position > reading.end and reading.seek == self.seeks.get(tp, 0):
                fetched[tp] = Run([], reading.end, reading.position, reading.seek)
                reading.end = reading.position
        return fetched

    async def damaged_batch(self, tp: TP) -> DamagedBatch | None:
        """The batch at which a partition stands, as it came; None where its checksum is right by now."""
        return cast("DamagedBatch | None", await self.call_thread(self._damaged_batch, tp))

    async def _damaged_batch(self, tp: TP) -> DamagedBatch | None:
        reading = self._reading.get(tp)
        if reading is None:
            return None
        client = self._ensure_consumer()._client
        return damaged_batch(tp, *await raw_fetch(client, ensure_aiokafka_TP(tp), reading.position))

    async def pass_over(self, batch: DamagedBatch) -> None:
        """Go on behind a batch, as behind a compacted hole, if its partition still stands there."""
        await self.call_thread(self._pass_over, batch)

    async def _pass_over(self, batch: DamagedBatch) -> None:
        reading, kafka_tp = self._reading.get(batch.tp), ensure_aiokafka_TP(batch.tp)
        subscriptions = self._ensure_consumer()._subscription
        if reading is None or reading.seek != self.seeks.get(batch.tp) or not subscriptions.is_assigned(kafka_tp):
            return
        state = subscriptions.subscription.assignment.state_value(kafka_tp)
        if state.position == reading.position <= batch.next_offset:
            state.consumed_to(batch.next_offset)
            reading.position = batch.next_offset

    async def bounds(self, tps: Set[TP]) -> dict[TP, Bounds]:
        """What Kafka holds of partitions, and what the group has committed."""
        return cast("dict[TP, Bounds]", await self.call_thread(self._bounds, set(tps)))

    async def _bounds(self, tps: set[TP]) -> dict[TP, Bounds]:
        consumer = self._ensure_consumer()
        kafka_tps = {tp: ensure_aiokafka_TP(tp) for tp in tps}
        first = await consumer.beginning_offsets(list(kafka_tps.values()))
        committed = await asyncio.gather(*(consumer.committed(kafka_tp) for kafka_tp in kafka_tps.values()))
        return {
            tp: Bounds(first[kafka_tp], offset)
            for (tp, kafka_tp), offset in zip(kafka_tps.items(), committed, strict=True)
        }

    async def seek_exactly(self, targets: Mapping[TP, int]) -> None:
        """Put partitions at offsets; what was fetched of them before is void."""
        await self.call_thread(self._seek_exactly, dict(targets))

    async def _seek_exactly(self, targets: dict[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, target in targets.items():
            kafka_tp = ensure_aiokafka_TP(tp)
            if not consumer._subscription.is_assigned(kafka_tp):
                continue  # it went meanwhile
            self.seeks[tp] = self.seeks.get(tp, 0) + 1
            consumer.seek(kafka_tp, target)
            self._reading[tp] = _Reading(self.seeks[tp], target, target)

    def drained_to(self, tp: TP) -> int | None:
        """How far a partition was drained, markers and holes included; None before it was put at its start."""
        reading = self._reading.get(tp)
        return None if reading is None else reading.position


def _whole(result: Any, tp: Any) -> list[Record]:
    """What was fetched of a partition up to the first batch that cannot be unpacked, and past it the next time: only
    where nothing comes before it, its error is raised.
    """
    if not result.check_assignment(tp) or not result.has_more():
        return []
    records: list[Record] = []
    try:
        for record in result._partition_records:
            records.append(record)  # what came before an error stays
    except Exception:
        if not records:
            raise
    result._update_position()
    return records
