"""Signals: deltas folded into co-visits, counts, query clicks and trends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from state import keys
from state.marks import SourceMark, source_mark
from streams.handlers.chosen import ToldQuery, told_message
from streams.handlers.signals import fold_signals
from streams.handlers.steps import run_steps
from streams.wire.messages import Record
from streams.wire.signals import decode_signals
from streams.worker.stages.base import MarkedStage, Workplace

#: Records in a batch while queries come in (each holds the deltas of a behaviour batch, up to 50 ms of work), and
#: otherwise: each row is read, sorted and stored once for all of them.
BUSY_SLICE: Final = 2
SLICE: Final = 32
#: query texts encoded in one go, 0.6 ms each
TOLD_TOGETHER: Final = 8


class SignalStage(MarkedStage):
    """signals to the rows of items and queries."""

    name = "signals"

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.signals
        self._marks: dict[int, SourceMark] = {}

    def most(self) -> int:
        """Few while queries come in."""
        return BUSY_SLICE if self.at.traffic.busy else SLICE

    def forget(self, partition: int) -> None:
        """Drop the watermark."""
        self._marks.pop(partition, None)

    async def step(self, partition: int, records: Sequence[Record]) -> None:
        """Fold deltas, and tell of query texts whose mass has doubled. Raises NotOwner."""
        mine = await self._loaded(partition)
        fresh = [r for r in records if r.offset > mine.offset]
        if not fresh:
            return
        deltas = [decode_signals(r.value) for r in fresh if r.value is not None]
        catalogue, partitions = self.at.tables.models.catalogue, self.at.deployment.partitions
        steps = fold_signals(deltas, mine.sources, partitions, partition, catalogue)
        async with self.at.store.transaction(keys.watermark(partition, self.topic.name)) as transaction:
            changes = await run_steps(steps, self.guarded(transaction, mine.raw, partition))
            await self._tell(changes.chosen)
            mark = mine.moved(fresh[-1].offset, changes.marks)
            if not await transaction.write(mark.stored(), changes.pairs):
                raise self.lost(partition)
        self._marks[partition] = mark
        self.at.metrics.events.labels(self.name).inc(len(fresh))

    async def pass_by(self, partition: int, offset: int) -> None:
        """Move the watermark past a record. Raises NotOwner."""
        mine = await self._loaded(partition)
        mark = mine.moved(offset)
        await self.move(partition, mine.raw, mark.stored())
        self._marks[partition] = mark

    async def _tell(self, chosen: Sequence[ToldQuery]) -> None:
        """Publish query texts with their vectors, a few at a time: other work gets its turn between."""
        encoder, target = self.at.tables.models.encoder, self.at.deployment.topics.queries.name
        for start in range(0, len(chosen), TOLD_TOGETHER):
            some = chosen[start : start + TOLD_TOGETHER]
            compact = encoder.encode([one.text for one in some]).compact
            await self.at.publisher.publish([told_message(one, compact[n], target) for n, one in enumerate(some)])
            await asyncio.sleep(0)

    async def _loaded(self, partition: int) -> SourceMark:
        mine = self._marks.get(partition)
        if mine is None:
            (raw,) = await self.at.store.read([keys.watermark(partition, self.topic.name)])
            mine = self._marks[partition] = source_mark(raw, self.at.deployment.partitions)
        return mine
