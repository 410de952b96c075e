"""The consumer: hands out batches, commits what is done, drains before partitions go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Set
from time import monotonic
from typing import Any, cast

from faust.exceptions import ImproperlyConfigured
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from streams.kafka.transport.message import BatchMessage
from streams.kafka.transport.options import BatchOptions
from streams.kafka.transport.records import RecordBatch
from streams.kafka.transport.thread import BatchThread, Fetched
from streams.kafka.transport.topic import BatchTopic
from streams.kafka.transport.window import AckWindow, slices

__all__ = ["BatchConsumer"]


class BatchConsumer(driver.Consumer):
    """Faust's consumer, with whole batches for batch topics. Other topics go Faust's way."""

    _thread: BatchThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._windows: dict[TP, AckWindow] = {}
        self._starts: dict[TP, int] = {}
        self._room = asyncio.Event()
        super().__init__(*args, **kwargs)

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
        full = self._full()
        if full and active_partitions:
            free = active_partitions - full
            if not free:
                await self._wait_for_room(timeout)
                return Fetched({})
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
        if not records or self.should_stop or not self.flow_active:
            return
        fetched = cast(Fetched, records)
        others: dict[TP, list[Any]] = {}
        for tp, rows in fetched.items():
            if fetched.seeks[tp] != self._thread.seeks.get(tp, 0) or tp in self._paused_partitions:
                continue  # drained before the last seek: fetched again after it
            if tp.topic in self._batch_topics():
                self._deliver(tp, rows, fetched)
            else:
                others[tp] = rows
        for tp, record in self.scheduler.iterate(others):
            if not self.flow_active:
                break
            if active is None or tp in active or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_message(tp, record)

    def _batch_topics(self) -> frozenset[str]:
        return cast("frozenset[str]", cast(Any, self.app.topics).batch_topics)

    def _deliver(self, tp: TP, rows: list[Any], fetched: Fetched) -> None:
        agents = cast("list[BatchTopic]", cast(Any, self.app.topics).agents_of(tp.topic))
        if not agents:
            raise ImproperlyConfigured(f"records of {tp} were fetched, but no agent reads its topic")
        highwater = self.highwater(tp)
        self.app.monitor.track_tp_end_offset(tp, highwater)
        window = self._window(tp)
        if window is None:
            window = self._windows[tp] = AckWindow(tp, fetched.seeks[tp])
        generation = self.app.consumer_generation_id
        for start, end in slices(len(rows), min(agent.slice_size() for agent in agents)):
            part = rows if end - start == len(rows) else rows[start:end]
            # The position is past transaction markers and compacted holes behind the last record.
            next_offset = fetched.positions[tp] if end == len(rows) else part[-1][2] + 1
            batch = RecordBatch(part, tp, next_offset, highwater)
            message = BatchMessage(batch, window, len(agents), generation)
            for nth, agent in enumerate(agents):
                own = batch if nth == 0 else RecordBatch(part, tp, next_offset, highwater)
                agent.queue.force_put_nowait(self.app.create_event(None, own, None, message))

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
        """Records of each assigned batch partition before its end as last fetched; empty in a rebalance."""
        found: dict[TP, int] = {}
        if not self.flow_active:
            return found
        for tp in self.assignment():
            if tp.topic in self._batch_topics() and tp in self._starts:
                done = self._new_offset(tp)
                done = self._starts[tp] if done is None else done
                found[tp] = max(0, (self.highwater(tp) or 0) - done)
        return found

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
        await self._drain()
        await super().wait_empty()

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
            await self._drain()
            await self.force_commit()
            self._forget(self._windows)
        if revoked and self.options.on_revoked is not None:
            await self.options.on_revoked(set(revoked))
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Put every assigned partition at its start. Faust calls it after a rebalance, before the flow."""
        assigned = self.assignment()
        if assigned and self.options.on_assigned is not None:
            await self.options.on_assigned(set(assigned))
        await self.rewind(assigned)

    async def rewind(self, tps: Set[TP]) -> None:
        """Ask ``start_offsets`` for these partitions again and go there; what was fetched of them is void.

        For an agent that finds its place moved by another worker (a watermark compare that failed).
        """
        if not tps:
            return
        self._forget(tps)
        wanted = self.options.start_offsets
        starts = await wanted(set(tps)) if wanted is not None else {}
        unknown = set(starts) - set(tps)
        if unknown:
            raise ImproperlyConfigured(f"start_offsets named partitions that it was not asked for: {unknown}")
        for tp, position in (await self._thread.seek_exactly(starts, tps)).items():
            self._starts[tp] = position
            self._read_offset[tp] = position or None
            # None lets the next commit through even where it is lower than Kafka's (a restored Redis).
            self._committed_offset[tp] = None

    def _forget(self, tps: Iterable[TP]) -> None:
        for tp in list(tps):
            self._windows.pop(tp, None)
        self._room.set()
