"""The stream of an agent on a batch topic: a batch is acked when the agent comes back for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from faust.streams import Stream
from faust.types import EventT

from streams.transport.consumer import BatchConsumer
from streams.transport.message import BatchMessage
from streams.transport.records import RecordBatch
from streams.transport.topic import BatchTopic

__all__ = ["BatchStream"]


class BatchStream(Stream[Any]):
    """Given to Faust as ``App(Stream=…)``; a stream of any other channel is Faust's own.

    An agent that raises, breaks out or is cancelled never acks: after the supervisor has restarted it, the
    same batch comes again with ``attempt`` one higher, unless its partition went to another worker.
    """

    _undone: EventT[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if not isinstance(self.channel, BatchTopic):
            return super().__aiter__()
        batches = self._batches()
        self._active_agens.add(batches)
        return batches

    async def _batches(self) -> AsyncGenerator[RecordBatch, None]:
        self._finalized = True
        started_here = await self.maybe_start()
        try:
            while not self.should_stop:
                event = await self._next_live()
                yield self._begin(event)
                # Reached only when the agent asks for the next batch: on an exception, a break, a cancel or
                # a stop the generator is closed at the yield.
                self._finish(event)
                # An agent that never waits must still let queries in between its batches.
                await asyncio.sleep(0)
        except StopAsyncIteration:
            return
        finally:
            self._set_current_event(None)
            self._channel_stop_iteration(self.channel)
            if started_here:
                await self.stop()
                self.service_reset()

    async def _next_live(self) -> EventT[Any]:
        """The batch that is still undone, else the next of the queue, skipping what a rebalance made void."""
        while True:
            event, self._undone = self._undone, None
            if event is None:
                event = cast("EventT[Any]", await cast(BatchTopic, self.channel).queue.get())
            if cast(BatchConsumer, self.app.consumer).is_live(event.message):
                return event

    def _begin(self, event: EventT[Any]) -> RecordBatch:
        message = cast(BatchMessage, event.message)
        batch = cast(RecordBatch, event.value)
        batch.attempt += 1
        self._undone = event
        self.app.consumer.unacked.add(message)  # a drain waits for it
        self._on_message_in(message.tp, message.offset, message)
        self._sensor_state = self._on_stream_event_in(message.tp, message.offset, self, event)
        self._set_current_event(event)
        self.events_total += len(batch)
        return batch

    def _finish(self, event: EventT[Any]) -> None:
        message = cast(BatchMessage, event.message)
        self._set_current_event(None)
        self._undone = None
        message.ack(self.app.consumer)
        self._on_stream_event_out(message.tp, message.offset, self, event, self._sensor_state)
        self._on_message_out(message.tp, message.offset, message)
