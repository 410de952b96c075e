"""Item events: understood once, and broadcast on the catalogue topic; rules on theirs."""

from __future__ import annotations

import asyncio
from typing import Final

from state.item_times import KEPT_S
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Item, decode_item, encode
from streams.handlers.catalogue import encoded_text, key_of, on_items
from streams.handlers.decoding import decode_one, letters
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.messages import Batch, Record
from streams.worker.stages.base import Stage, Workplace

#: Items understood together: the event loop is free while they are encoded.
SLICE: Final = 16
#: Threads that encode them; ONNX Runtime lets go of the interpreter meanwhile.
THREADS: Final = 2


class ItemStage(Stage):
    """item-events to catalogue and rules."""

    name = "items"
    plain = Record(b"i", encode(Item(time=0, item_id="i", title="tea")), 0, 0)
    broadcasts = ("catalogue",)

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.item_events
        #: held while items are published, so that none goes out behind an older one of its id
        self.publishing = asyncio.Lock()
        #: newest time of each partition since this worker began
        self._newest: dict[int, int] = {}

    def most(self) -> int:
        """A slice."""
        return SLICE

    async def step(self, partition: int, batch: Batch) -> None:
        """Understand items and broadcast them."""
        topics = self.at.deployment.topics
        batch = await self.sort_out(partition, batch, decode_item, key_of)
        await self._encode([text for text in map(_text, batch) if text])
        steps = on_items(batch, self._newest.get(partition, -1), partition, self.at.tables.models, topics)
        async with self.publishing:
            changes = await run_steps(steps, self.at.store.read)
            self._newest[partition] = changes.newest
            await self.at.publisher.publish(changes.messages + letters(changes.dead, topics.dead_letters.name))
            # after what follows from them was published: done twice, they are of the same time, and published again
            await self.at.store.write(changes.stored)
            await self.at.store.write_expiring(changes.expiring, KEPT_S)
            self.at.tables.foreign.published(changes.changed)
        self.at.metrics.late_items.inc(changes.late)
        self.at.metrics.dead(changes.dead)
        self.at.metrics.events.labels(self.name).inc(changes.accepted)

    async def _encode(self, texts: list[str]) -> None:
        """Have the encoder remember texts, beside the event loop; each is encoded alone, in whatever thread."""
        encoder = self.at.tables.models.encoder
        parts = [texts[n::THREADS] for n in range(THREADS)]
        await asyncio.gather(*(asyncio.to_thread(encoder.encode, part, passages=True) for part in parts if part))

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """Understand one item."""
        return on_items([record], -1, partition, self.at.tables.models, self.at.deployment.topics)


def _text(record: Record) -> str:
    """What is encoded of a record's item; nothing where there is none."""
    try:
        event = decode_one(record, decode_item, key_of) if record.value else None
    except InvalidEvent:
        return ""
    return encoded_text(event) if isinstance(event, Item) else ""
