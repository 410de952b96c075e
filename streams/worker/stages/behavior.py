"""Behaviour events: folded into contexts; signals and feedback follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from state import keys
from state.event_ids import BLOCKS, IdWindow, block_keys
from state.marks import BehaviorMark, behavior_mark
from streamrank_client.events import View, decode_behavior, encode
from streams.handlers.contexts import on_behavior, user_id
from streams.handlers.decoding import letters
from streams.handlers.identifying import decode_identity, identity_key, is_identity, on_identity, runs
from streams.handlers.steps import ReadingSteps, run_steps
from streams.wire.feedback import encode_feedback
from streams.wire.messages import Batch, Message, Record
from streams.wire.signals import encode_signals
from streams.worker.stages.base import MarkedStage, Workplace

#: Events in a batch while queries come in: about 10 ms of work.
BUSY_SLICE: Final = 400


@dataclass(slots=True)
class _Owned:
    """What a worker keeps of a partition: its stored watermark, and the ids counted lately."""

    mark: BehaviorMark
    window: IdWindow


class BehaviorStage(MarkedStage):
    """behavior-events to contexts, signals and feedback."""

    name = "behavior"
    plain = Record(b"u", encode(View(time=0, event_id="e", user_id="u", item_id="i")), 0, 0)
    broadcasts = ("catalogue",)
    feeds = ("signals", "feedback")

    def __init__(self, at: Workplace) -> None:
        super().__init__(at)
        self.topic = at.deployment.topics.behavior_events
        self._owned: dict[int, _Owned] = {}

    def most(self) -> int:
        """Few while queries come in."""
        return min(BUSY_SLICE, self.at.most_records) if self.at.traffic.busy else self.at.most_records

    def forget(self, partition: int) -> None:
        """Drop the watermark and the ids."""
        self._owned.pop(partition, None)

    async def handle(self, partition: int, batch: Batch) -> None:
        """Handle a batch; a visitor's login alone, so that it falls between the same events however it was cut."""
        for run in runs(batch):
            await super().handle(partition, run)

    async def step(self, partition: int, batch: Batch) -> None:
        """Fold behaviour into contexts; publish signals and feedback. Raises NotOwner."""
        at, topics = self.at, self.at.deployment.topics
        mine = await self._loaded(partition)
        self.follows(partition, batch.position, mine.mark.next)
        identity = len(batch) == 1 and is_identity(batch[0])
        if identity:
            batch = await self.sort_out(partition, batch, decode_identity, identity_key)
        else:
            batch = await self.sort_out(partition, batch, decode_behavior, user_id)
        if identity and batch:
            steps = on_identity(batch, mine.mark, mine.window, partition, self._encoder, at.deployment)
        else:
            steps = on_behavior(batch, mine.mark, mine.window, partition, at.tables.models.catalogue, at.deployment)
        async with at.store.transaction(keys.watermark(partition, self.topic.name)) as transaction:
            changes = await run_steps(steps, self.guarded(transaction, mine.mark.raw, partition))
            await at.publisher.publish(
                [Message(topics.signals.name, None, encode_signals(s), p) for p, s in changes.signals.items()]
                + [Message(topics.feedback.name, f.surface.encode(), encode_feedback(f), 0) for f in changes.feedback]
                + letters(changes.dead, topics.dead_letters.name)
                + changes.messages
            )
            if not await transaction.write(changes.mark.stored(), changes.pairs):
                raise self.lost(partition)
        mine.mark = changes.mark
        mine.window.add(changes.ids)
        at.metrics.watermark.set(max(own.mark.newest for own in self._owned.values()) / 1000)
        at.metrics.dead(changes.dead)
        at.metrics.events.labels(self.name).inc(len(changes.ids))
        at.metrics.repeated.inc(changes.repeated)
        at.metrics.identified.inc(changes.identified)
        at.metrics.unknown_items.inc(changes.unknown)
        at.metrics.feedback.inc(len(changes.feedback))
        at.metrics.count_outcomes(changes.outcomes)

    @property
    def _encoder(self) -> str:
        """The version of the encoder whose vectors are summed."""
        return self.at.tables.models.catalogue.encoder

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """Fold one event into what is read."""
        blank, window = behavior_mark(None), IdWindow([None] * BLOCKS, 0)
        batch = Batch([record], record.offset, record.offset + 1)
        if is_identity(record):
            return on_identity(batch, blank, window, partition, self._encoder, self.at.deployment)
        return on_behavior(batch, blank, window, partition, self.at.tables.models.catalogue, self.at.deployment)

    async def pass_by(self, partition: int, position: int | None, next_offset: int) -> None:
        """Move the watermark. Raises NotOwner."""
        mine = await self._loaded(partition)
        self.follows(partition, position, mine.mark.next)
        mark = mine.mark.moved(next_offset)
        await self.move(partition, mine.mark.raw, mark.stored())
        mine.mark = mark

    async def _loaded(self, partition: int) -> _Owned:
        mine = self._owned.get(partition)
        if mine is None:
            raw, *blocks = await self.at.store.read(
                [keys.watermark(partition, self.topic.name), *block_keys(partition)]
            )
            mark = behavior_mark(raw)
            mine = self._owned[partition] = _Owned(mark, IdWindow(blocks, mark.accepted))
        return mine
