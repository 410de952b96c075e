"""The consumer: hands out batches, commits what is done, drains before partitions go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Set
from time import monotonic
from typing import Any, cast

from aiokafka.errors import CorruptRecordException, KafkaError, OffsetOutOfRangeError  # type: ignore[import-untyped]
from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock
from mode import Service
from mode.utils.futures import notify

from streams.kafka.ending import ended
from streams.kafka.transport.damaged import DamagedBatches
from streams.kafka.transport.message import BatchMessage
from streams.kafka.transport.options import BatchOptions, Bounds
from streams.kafka.transport.records import RecordBatch
from streams.kafka.transport.thread import BatchThread, Fetched, PositionMoved, Run
from streams.kafka.transport.topic import BatchTopic
from streams.kafka.transport.window import AckWindow, slices

__all__ = ["BatchConsumer"]


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with whole batches for batch topics. Other topics go Faust's way."""

    _thread: BatchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._windows: dict[TP, AckWindow] = {}
        #: where each partition was put; one that is not in here is neither fetched nor delivered
        self._starts: dict[TP, int] = {}
        #: partitions at whose offset Kafka holds nothing
        self._out_of_range: set[TP] = set()
        #: partitions that were given up until somebody mends something, and what that is
        self.stopped: dict[TP, str] = {}
        #: why partitions are not at their start yet, while that fails; else empty
        self.waiting = ""
        self._room = asyncio.Event()
        self._to_place = asyncio.Event()
        self._placing = asyncio.Lock()
        super().__init__(*args, **kwargs)
        self._damaged = DamagedBatches(self._thread.damaged_batch, self._thread.pass_over)

    @property
    def options(self) -> BatchOptions:
        """The app's ``batch_options``."""
        return getattr(self.app, "batch_options", None) or BatchOptions()

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    # ---- delivery

    def _full(self) -> set[TP]:
        options = self.options
        limits = options.max_inflight_batches, options.max_inflight_records
        return {tp for tp, window in self._windows.items() if window.is_full(*limits)}

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        if active_partitions is not None:
            active_partitions = active_partitions & self._starts.keys()
            if not active_partitions:
                await asyncio.sleep(min(timeout, 0.02))
                return Fetched()
        full = self._full()
        if full and active_partitions:
            free = active_partitions - full
            if not free:
                await self._wait_for_room(timeout)
                return Fetched()
            # Fetch the others, but look soon whether a full one has room again.
            active_partitions, timeout = free, min(timeout, 0.02)
        return await super()._getmany(active_partitions, timeout)

    async def _wait_for_room(self, timeout: float) -> None:
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), timeout)
        except TimeoutError:
            pass  # the fetch loop asks again, and sees a stop in between

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch once. Batches go straight to their agents' queues; records of other topics are yielded."""
        records, active = await self._wait_next_records(timeout)
        # With the flow stopped (a rebalance, the end) records are dropped: a seek comes before it resumes.
        if not records and not getattr(records, "broken", None):
            return
        if self.should_stop or not self.flow_active:
            return
        fetched = cast(Fetched, records)
        for tp, error in fetched.broken.items():
            await self._on_broken(tp, error)
        others: dict[TP, list[Any]] = {}
        for tp, run in fetched.items():
            if tp not in self._starts or run.seek != self._thread.seeks.get(tp, 0):
                continue  # drained before the last seek: fetched again after it
            if tp.topic in self._batch_topics():
                self._deliver(tp, run)
            else:
                others[tp] = run.records
        for tp, record in self.scheduler.iterate(others):
            if not self.flow_active:
                break
            if active is None or tp in active or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_message(tp, record)

    def _batch_topics(self) -> frozenset[str]:
        return cast("frozenset[str]", cast(Any, self.app.topics).batch_topics)

    def _deliver(self, tp: TP, run: Run) -> None:
        agents = cast("list[BatchTopic]", cast(Any, self.app.topics).agents_of(tp.topic))
        if not agents:
            raise ImproperlyConfigured(f"records of {tp} were fetched, but no agent reads its topic")
        highwater = self.highwater(tp)
        self.app.monitor.track_tp_end_offset(tp, highwater)
        window = self._window(tp)
        if window is None:
            window = self._windows[tp] = AckWindow(tp, run.seek, self._starts[tp])
        if run.position != window.end:
            # something was drained and never delivered: all from the last place that is known to be done
            self.log.error("%r: fetched from %s, but handed out up to %s: read again", tp, run.position, window.end)
            self.put_again({tp})
            return
        generation, position = self.app.consumer_generation_id, run.position
        # a run without records is a batch, too: its offsets are to be stored and committed
        for start, end in slices(len(run.records), min(agent.slice_size() for agent in agents)) or [(0, 0)]:
            part = run.records if end - start == len(run.records) else run.records[start:end]
            # The last slice reaches past transaction markers and compacted holes behind the last record.
            next_offset = run.next_offset if end == len(run.records) else part[-1].offset + 1
            batch = RecordBatch(part, tp, position, next_offset, highwater)
            message = BatchMessage(batch, window, len(agents), generation)
            for nth, agent in enumerate(agents):
                own = batch if nth == 0 else RecordBatch(part, tp, position, next_offset, highwater)
                agent.queue.force_put_nowait(self.app.create_event(None, own, None, message))
            position = next_offset

    async def _on_broken(self, tp: TP, error: Exception) -> None:
        """What lies fetched of a partition cannot be drained: go back, set it aside, or give the partition up until
        somebody mends it.
        """
        if isinstance(error, OffsetOutOfRangeError):
            self._out_of_range.add(tp)
            self.put_again({tp})
        elif isinstance(error, PositionMoved):
            self.log.error("%s: read again", error)
            self.put_again({tp})
        elif isinstance(error, KafkaError) and error.retriable:
            self.log.warning("%r: %r: fetched again", tp, error)
        elif isinstance(error, CorruptRecordException) and self.options.set_aside is not None:
            await self._damaged.seen(tp, self._thread.drained_to(tp), self.options.set_aside)
        elif len(self._window(tp) or ()):
            pass  # what came before it is done first; then it is fetched again, and stops the partition
        else:
            self.stop_partition(
                tp, f"what Kafka holds after offset {self._thread.position(tp)} cannot be read: {error!r}"
            )

    def _window(self, tp: TP) -> AckWindow | None:
        """The partition's window, if one was opened since the last seek."""
        window = self._windows.get(tp)
        return window if window is not None and window.seek == self._thread.seeks.get(tp, 0) else None

    def is_live(self, message: Message) -> bool:
        """Whether a queued batch may still be worked on: no seek, rebalance or stop came since its fetch."""
        return (
            isinstance(message, BatchMessage)
            and self._window(message.tp) is message.window
            and self.app.flow_control.is_active()
        )

    # ---- what is done, and its commit

    def ack(self, message: Message) -> bool:
        """Mark a message as done; a batch is committed once all before it in its partition are done."""
        if not isinstance(message, BatchMessage):
            return super().ack(message)
        with ack_lock:
            message.acked = True
            self._unacked_messages.discard(message)
            if message.window.done(message.slot):
                self._n_acked += message.slot.size
            notify(self._waiting_for_ack)
            self._room.set()
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        for tp in list(self._windows):
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self._batch_topics():
            return super()._new_offset(tp)
        window = self._window(tp)
        return window.committable if window is not None else None

    def lags(self) -> dict[TP, int]:
        """Records of each assigned batch partition before its end as last fetched; none in a rebalance."""
        lags: dict[TP, int] = {}
        if not self.flow_active or not self._starts:
            return lags
        for tp in self.assignment():
            if tp.topic in self._batch_topics() and tp in self._starts:
                lags[tp] = max(0, (self.highwater(tp) or 0) - self._done_up_to(tp))
        return lags

    def _done_up_to(self, tp: TP) -> int:
        """The offset before which all is done, transaction markers behind the last batch included."""
        window = self._window(tp)
        if window is None or not len(window):
            return max(self._thread.drained_to(tp) or 0, self._starts[tp])
        return self._starts[tp] if window.committable is None else window.committable

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Report a partition whose oldest batch is in work for longer than ``stream_processing_timeout``.

        Faust's own check counts a partition without records as a fault.
        """
        window = self._window(tp)
        since = window.oldest if window is not None else None
        patience = self.app.conf.stream_processing_timeout
        if since is not None and now - since > patience:
            self.log.error("%r: a batch is in work for %.0f s: its agent hangs or keeps raising", tp, now - since)

    async def wait_empty(self) -> None:
        """Wait until what is in work is done, but not for an agent that hangs or keeps raising; commit."""
        await self._release(self.assignment())
        await self._drain()
        # what is not committed comes again, and is recognised
        await ended("commit", super().wait_empty(), self.options.commit_timeout)

    async def on_stop(self) -> None:
        """Commit once more what was done since, if it was ever started."""
        if self.started:
            await ended("consumer", super().on_stop(), self.options.commit_timeout)

    async def _release(self, tps: Iterable[TP]) -> None:
        if self.options.on_revoking is not None:
            await self.options.on_revoking(set(tps))

    async def _drain(self) -> None:
        deadline = monotonic() + self.options.drain_timeout
        while (undone := self._undone_batches()) and monotonic() < deadline:
            await self._wait_for_ack(timeout=1)
        if undone:
            self.log.warning(
                "not done after %s s, they will be delivered again: %r", self.options.drain_timeout, undone
            )
            for message in undone:
                self._unacked_messages.discard(message)

    def _undone_batches(self) -> list[ConsumerMessage]:
        return [m for m in list(self._unacked_messages) if isinstance(m, BatchMessage) and not m.acked]

    # ---- partitions come and go

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let work finish, commit it, tell the app: before Faust drops acks that are not committed yet."""
        if self._windows:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self._release(revoked)
            await self._drain()
            await ended("commit", self.force_commit(), self.options.commit_timeout)
        # every rebalance takes all partitions away first (aiokafka's protocol is the eager one)
        self._forget(list(self._starts))
        self.stopped.clear()
        self._out_of_range.clear()
        if revoked and self.options.on_revoked is not None:
            await self.options.on_revoked(set(revoked))
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Put every assigned partition at its start. Faust calls it after a rebalance, before the flow.

        What cannot be put there now (a Redis that is away) is put there as soon as it can be; it is not read until
        then, and the others are.
        """
        assigned = self.assignment()
        if assigned and self.options.on_assigned is not None:
            await self.options.on_assigned(set(assigned))
        self.put_again(set(assigned))
        await self._place_all()

    def put_again(self, tps: Set[TP]) -> None:
        """Have partitions put at their start again; what was fetched of them is void, and nothing is until then.

        For an agent that finds its place moved by another worker (a watermark compare that failed).
        """
        self._forget(tps)
        self._to_place.set()

    def stop_partition(self, tp: TP, reason: str) -> None:
        """Read nothing more of a partition until what ``reason`` says is mended; it is tried again now and then."""
        if self.stopped.get(tp) != reason:
            self.log.error("%r is not read any more: %s", tp, reason)
        self.stopped[tp] = reason
        self._forget({tp})

    @Service.task
    async def _keep_placed(self) -> None:
        """Put partitions at their starts, and try again those for which it failed or that are stopped."""
        delay = self.options.place_backoff
        while not self.should_stop:
            try:
                await asyncio.wait_for(self._to_place.wait(), self.options.stopped_retry)
            except TimeoutError:
                pass  # time to try the stopped ones again
            self._to_place.clear()
            if self.app.rebalancing:
                continue  # all partitions go first, and are put at their starts when they have come
            if await self._place_all():
                delay = self.options.place_backoff
            else:
                await self.sleep(delay)
                delay = min(2 * delay, 5.0)
                self._to_place.set()

    async def _place_all(self) -> bool:
        """Put all assigned partitions that are nowhere at their start; whether none is left that should be."""
        async with self._placing:
            if self.should_stop or not (todo := set(self.assignment()) - self._starts.keys()):
                self.waiting = ""
                return True
            try:
                await self._place(todo)
            except self.options.retriable as error:
                if not self.waiting:
                    self.log.warning("partitions wait to be read: %r", error)
                self.waiting = repr(error)
                return False
            if self.waiting:
                self.log.warning("partitions are read again")
            self.waiting = ""
            return True

    async def _place(self, tps: set[TP]) -> None:
        bounds = await self._thread.bounds(tps)
        asked = {tp: own._replace(out_of_range=tp in self._out_of_range) for tp, own in bounds.items()}
        choose = self.options.start_offsets
        chosen = dict(await choose(asked)) if choose is not None else {}
        unknown = set(chosen) - tps
        if unknown:
            raise ImproperlyConfigured(f"start_offsets named partitions that it was not asked for: {unknown}")
        targets: dict[TP, int] = {}
        for tp, own in asked.items():
            target = chosen.get(tp)
            if isinstance(target, str):
                self.stop_partition(tp, target)
                continue
            targets[tp] = self._committed_or_first(own) if target is None else target
            self.stopped.pop(tp, None)
        await self._thread.seek_exactly(targets)
        for tp, target in targets.items():
            self._out_of_range.discard(tp)
            self._starts[tp] = target
            self._read_offset[tp] = target or None
            # None lets the next commit through even where it is lower than Kafka's (a restored Redis).
            self._committed_offset[tp] = None

    def _committed_or_first(self, bounds: Bounds) -> int:
        if bounds.committed is not None and not bounds.out_of_range:
            return max(bounds.committed, bounds.first)
        return bounds.first

    def _forget(self, tps: Iterable[TP]) -> None:
        for tp in list(tps):
            self._windows.pop(tp, None)
            self._starts.pop(tp, None)
        self._room.set()
