"""The stream of an agent on a batch topic: a batch is acked when the agent comes back for the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from itertools import chain
from typing import Any, cast

from faust.streams import Stream
from faust.types import EventT

from streams.kafka.transport.consumer import BatchConsumer
from streams.kafka.transport.message import BatchMessage
from streams.kafka.transport.records import RecordBatch
from streams.kafka.transport.topic import BatchTopic

__all__ = ["BatchStream"]


class BatchStream(Stream[Any]):
    """Given to Faust as ``App(Stream=…)``; a stream of any other channel is Faust's own.

    An agent that raises, breaks out or is cancelled never acks: after the supervisor has restarted it, the
    same batch comes again with ``attempt`` one higher, unless its partition went to another worker.
    """

    _undone: EventT[Any] | None = None
    #: messages of the batches that were joined to the one in work
    _followers: Sequence[BatchMessage] = ()

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
            consumer = cast(BatchConsumer, self.app.consumer)
            event, self._undone = self._undone, None
            if event is not None and consumer.is_live(event.message):
                return event
            event = cast("EventT[Any]", await cast(BatchTopic, self.channel).queue.get())
            if consumer.is_live(event.message):
                return self._with_followers(event)

    def _with_followers(self, event: EventT[Any]) -> EventT[Any]:
        """The batch together with those of its partition that wait behind it, as many as fit in a slice.

        Records that come one by one while the agent works would else be batches of one, and what an agent does
        once a batch (a round trip, a transaction) be done for each.
        """
        channel = cast(BatchTopic, self.channel)
        first = cast(BatchMessage, event.message)
        batches, messages, events = [cast(RecordBatch, event.value)], list[BatchMessage](), list[EventT[Any]]()
        room = channel.slice_size() - len(batches[0])
        waiting = cast("deque[EventT[Any]]", cast(Any, channel.queue)._queue)
        for other in waiting:
            message = cast(BatchMessage, other.message)
            if message.tp == first.tp:
                room -= len(cast(RecordBatch, other.value))
                if room < 0 or message.window is not first.window:
                    break
                batches.append(cast(RecordBatch, other.value))
                messages.append(message)
                events.append(other)
        self._followers = messages
        if not events:
            return event
        taken = set(map(id, events))
        left = [other for other in waiting if id(other) not in taken]
        waiting.clear()
        waiting.extend(left)
        first_batch, last = batches[0], batches[-1]
        whole = RecordBatch(chain(*batches), first_batch.tp, first_batch.position, last.next_offset, last.highwater)
        return self.app.create_event(None, whole, None, first)

    def _begin(self, event: EventT[Any]) -> RecordBatch:
        message = cast(BatchMessage, event.message)
        batch = cast(RecordBatch, event.value)
        batch.attempt += 1
        batch.lives_while(lambda: cast(BatchConsumer, self.app.consumer).is_live(message))
        self._undone = event
        self.app.consumer.unacked.update((message, *self._followers))  # a drain waits for them
        self._on_message_in(message.tp, message.offset, message)
        self._sensor_state = self._on_stream_event_in(message.tp, message.offset, self, event)
        self._set_current_event(event)
        self.events_total += len(batch)
        return batch

    def _finish(self, event: EventT[Any]) -> None:
        message, state = cast(BatchMessage, event.message), self._sensor_state
        messages = (message, *self._followers)
        self._set_current_event(None)
        self._undone = None
        self._followers = ()

        def finish(done: bool) -> None:
            for one in messages:
                if done:
                    one.ack(self.app.consumer)
                else:
                    self.app.consumer.unacked.discard(one)
            self._on_stream_event_out(message.tp, message.offset, self, event, state)
            self._on_message_out(message.tp, message.offset, message)

        cast(RecordBatch, event.value).passed(finish)
