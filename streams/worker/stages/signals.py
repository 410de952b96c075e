"""Signals: deltas folded into co-visits, counts, query clicks and trends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from state import keys
from state.marks import SourceMark, source_mark
from streams.handlers.chosen import ToldQuery, told_message
from streams.handlers.signals import SignalChanges, fold_signals, signals_in
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.messages import Batch, Record
from streams.wire.signals import Signals, encode_signals
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
    plain = Record(None, encode_signals(Signals(0, 0, b"", b"", b"")), 0, 0)

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

    async def step(self, partition: int, batch: Batch) -> None:
        """Fold deltas, and tell of query texts whose mass has doubled. Raises NotOwner, and InvalidEvent for a record
        that holds no deltas of this partition.
        """
        mine = await self._loaded(partition)
        self.follows(partition, batch.position, mine.next)
        steps = self._folding(partition, batch, mine)
        async with self.at.store.transaction(keys.watermark(partition, self.topic.name)) as transaction:
            changes = await run_steps(steps, self.guarded(transaction, mine.raw, partition))
            await self._tell(changes.chosen)
            mark = mine.moved(batch.next_offset, changes.marks)
            if not await transaction.write(mark.stored(), changes.pairs):
                raise self.lost(partition)
        self._marks[partition] = mark
        self.at.metrics.events.labels(self.name).inc(len(batch))

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """Fold the deltas of one record into what is read."""
        return self._folding(partition, [record], source_mark(None, self.at.deployment.partitions))

    def _folding(self, partition: int, records: Sequence[Record], mark: SourceMark) -> ReadingSteps[SignalChanges]:
        partitions, catalogue = self.at.deployment.partitions, self.at.tables.models.catalogue
        return fold_signals(signals_in(records, partitions), mark.sources, partitions, partition, catalogue)

    async def pass_by(self, partition: int, position: int | None, next_offset: int) -> None:
        """Move the watermark. Raises NotOwner."""
        mine = await self._loaded(partition)
        self.follows(partition, position, mine.next)
        mark = mine.moved(next_offset)
        await self.move(partition, mine.raw, mark.stored())
        self._marks[partition] = mark

    async def _tell(self, chosen: Sequence[ToldQuery]) -> None:
        """Publish query texts with their vectors, a few at a time: other work gets its turn between."""
        models, target = self.at.tables.models, self.at.deployment.topics.queries.name
        by = models.catalogue.encoder
        for start in range(0, len(chosen), TOLD_TOGETHER):
            some = chosen[start : start + TOLD_TOGETHER]
            compact = models.encoder.encode([one.text for one in some]).compact
            await self.at.publisher.publish([told_message(one, compact[n], by, target) for n, one in enumerate(some)])
            await asyncio.sleep(0)

    async def _loaded(self, partition: int) -> SourceMark:
        mine = self._marks.get(partition)
        if mine is None:
            (raw,) = await self.at.store.read([keys.watermark(partition, self.topic.name)])
            mine = self._marks[partition] = source_mark(raw, self.at.deployment.partitions)
        return mine
