"""One batch, one step: read, run the handler, publish, store. The Faust agents and the replay driver share it.

The order gives exact effects: what follows from a batch is published and acknowledged first, then the batch's
state is stored together with its watermark, in one transaction; Kafka's offset is committed last. A batch that is
done twice publishes the same deltas again, and their receivers drop them by the places they carry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import structlog

from state import keys
from state.event_ids import Window, block_keys
from state.store import Store, Transaction
from streams.worker.answering import Answering
from streams.handlers.brain import Brain
from streamrank_client.errors import InvalidEvent
from streams.errors import NotOwner
from streams.handlers.catalogue import on_items
from streams.handlers.chosen import Chosen, known
from streams.handlers.contexts import Known, on_behavior, read_mark
from streams.handlers.decoding import dead_letter, letters
from streams.handlers.feedback import encode_feedback
from streams.handlers.signals import fold_signals
from state.marks import SourceMark, load_mark, lost, offset_of
from streams.wire.messages import Message, Publisher, Record
from streams.worker.metrics import Metrics
from streams.worker.poison import handle_each
from streams.settings import Settings
from streams.wire.signals import decode_signals, encode_signals
from streams.handlers.steps import run_steps
from streamrank_client.topics import Topics, topics

if TYPE_CHECKING:
    from streams.worker.trainer import Trainer

log = structlog.get_logger(__name__)

#: query texts encoded in one go, 0.6 ms each
TOLD_TOGETHER: Final = 8


@dataclass(slots=True)
class _Behaviors:
    """What a worker keeps of a behaviour partition it owns: its stored watermark and the ids counted lately."""

    mark: bytes | None
    window: Window


class Engine:
    """Runs handlers over batches of records of one partition. One instance a worker."""

    def __init__(
        self, settings: Settings, store: Store, brain: Brain, publisher: Publisher, metrics: Metrics | None = None
    ) -> None:
        self.settings = settings
        self.topics: Topics = topics(settings.partitions, settings.topic_prefix)
        self.store = store
        self.brain = brain
        self.publisher = publisher
        self.metrics = metrics or Metrics()
        brain.timed = self.metrics.timed_source
        self._behaviors: dict[int, _Behaviors] = {}
        self._signals: dict[int, SourceMark] = {}
        #: newest time of each partition of item-events since this worker began
        self._item_times: dict[int, int] = {}
        self.answering = Answering(settings, store, brain, publisher, self.metrics)

    def forget(self, topic: str, partition: int) -> None:
        """Drop what is remembered of a partition that has gone, or whose watermark another worker has moved."""
        if topic == self.topics.behavior_events.name:
            self._behaviors.pop(partition, None)
        elif topic == self.topics.signals.name:
            self._signals.pop(partition, None)
        elif topic == self.topics.feedback.name:
            self._trainer.forget()

    async def starts(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Where to start reading each partition of a topic that has watermarks: just after them."""
        watermarked = {self.topics.behavior_events.name, self.topics.signals.name, self.topics.feedback.name}
        if topic not in watermarked:
            return {}
        found = await self.store.read([keys.watermark(p, topic) for p in partitions])
        offsets = {p: offset_of(v) + 1 for p, v in zip(partitions, found, strict=True)}
        return offsets

    # ---- item-events

    async def items(self, partition: int, records: Sequence[Record]) -> None:
        """Understand items and broadcast them."""
        refuse = partial(self._refuse, self.topics.item_events.name, partition)
        await handle_each(records, partial(self._items, partition), refuse)

    async def _items(self, partition: int, records: Sequence[Record]) -> None:
        spec = self.topics.item_events
        newest = self._item_times.get(partition, -1)
        how = self.brain.understand_items()
        changes = on_items(
            records, newest, spec.name, partition, self.topics.catalogue.name, how, self.topics.rules.name
        )
        self._item_times[partition] = changes.newest
        await self.publisher.publish(changes.messages + letters(changes.dead, self.topics.dead_letters.name))
        self.metrics.dead(changes.dead)
        self.metrics.events.labels("items").inc(changes.accepted)

    # ---- behavior-events

    async def behaviors(self, partition: int, records: Sequence[Record]) -> None:
        """Fold behaviour into contexts; publish signals and feedback. Raises NotOwner."""
        refuse = partial(self._refuse, self.topics.behavior_events.name, partition)
        await handle_each(records, partial(self._fold_behaviors, partition), refuse)

    async def _fold_behaviors(self, partition: int, records: Sequence[Record]) -> None:
        topic = self.topics.behavior_events.name
        mine = self._behaviors.get(partition) or await self._load_behaviors(partition)
        catalogue = self.brain.catalogue
        known = Known(
            topic=topic,
            partition=partition,
            partitions=self.settings.partitions,
            rows_of=catalogue.rows,
            vectors=catalogue.compact,
            normalise=self.brain.normalise,
            join_ms=int(self.settings.join_hours * 3_600_000),
        )
        steps = on_behavior(records, mine.mark, mine.window, known)
        async with self.store.transaction(keys.watermark(partition, topic)) as transaction:
            changes = await run_steps(steps, self._guarded(transaction, mine.mark, topic, partition))
            target, feedback = self.topics.signals.name, self.topics.feedback.name
            await self.publisher.publish(
                [Message(target, None, encode_signals(s), p) for p, s in changes.signals.items()]
                + [Message(feedback, f.surface.encode(), encode_feedback(f), 0) for f in changes.feedback]
                + letters(changes.dead, self.topics.dead_letters.name)
            )
            if not await transaction.write(changes.mark, changes.pairs):
                raise self._lost(topic, partition)
        mine.mark = changes.mark
        mine.window.add(changes.ids)
        self.metrics.dead(changes.dead)
        self.metrics.events.labels("behavior").inc(len(changes.ids))
        self.metrics.repeated.inc(changes.repeated)
        self.metrics.feedback.inc(len(changes.feedback))
        self.metrics.count_outcomes(changes.outcomes)

    async def _load_behaviors(self, partition: int) -> _Behaviors:
        mark_key = keys.watermark(partition, self.topics.behavior_events.name)
        mark, *blocks = await self.store.read([mark_key, *block_keys(partition)])
        mine = _Behaviors(mark, Window(blocks, int(read_mark(mark)["accepted"])))
        self._behaviors[partition] = mine
        return mine

    def _guarded(
        self, transaction: Transaction, mark: bytes | None, topic: str, partition: int
    ) -> Callable[[list[bytes]], Awaitable[list[bytes | None]]]:
        """Reads in a transaction that raise NotOwner unless the stored watermark is the one remembered."""

        async def read(wanted: list[bytes]) -> list[bytes | None]:
            found, values = await transaction.read(wanted)
            if found != mark:
                raise self._lost(topic, partition)
            return values

        return read

    def _lost(self, topic: str, partition: int) -> NotOwner:
        self.forget(topic, partition)
        return lost(topic, partition)

    # ---- signals

    async def signals(self, partition: int, records: Sequence[Record]) -> None:
        """Fold deltas into co-visits, counts, query clicks and trends. Raises NotOwner."""
        refuse = partial(self._refuse, self.topics.signals.name, partition)
        await handle_each(records, partial(self._fold_signals, partition), refuse)

    async def _fold_signals(self, partition: int, records: Sequence[Record]) -> None:
        topic = self.topics.signals.name
        mine = await self._signals_mark(partition)
        fresh = [r for r in records if r[2] > mine.offset]
        if not fresh:
            return
        deltas = [decode_signals(r[1]) for r in fresh if r[1] is not None]
        steps = fold_signals(deltas, mine.sources, self.settings.partitions, partition, self.brain.category_of)
        async with self.store.transaction(keys.watermark(partition, topic)) as transaction:
            changes = await run_steps(steps, self._guarded(transaction, mine.raw, topic, partition))
            await self._tell(changes.chosen)
            mark = mine.moved(fresh[-1][2], changes.marks)
            if not await transaction.write(mark.stored(), changes.pairs):
                raise self._lost(topic, partition)
        self._signals[partition] = mark
        self.metrics.events.labels("signals").inc(len(fresh))

    async def _tell(self, chosen: Sequence[Chosen]) -> None:
        """Publish query texts with their vectors, a few at a time: other work gets its turn between."""
        for start in range(0, len(chosen), TOLD_TOGETHER):
            some = chosen[start : start + TOLD_TOGETHER]
            compact = self.brain.encoder.encode([one.text for one in some]).compact
            target = self.topics.queries.name
            await self.publisher.publish([known(one, compact[n], target) for n, one in enumerate(some)])
            await asyncio.sleep(0)

    async def _signals_mark(self, partition: int) -> SourceMark:
        mine = self._signals.get(partition)
        if mine is None:
            mine = await load_mark(self.store, partition, self.topics.signals.name, self.settings.partitions)
            self._signals[partition] = mine
        return mine

    # ---- feedback

    @cached_property
    def _trainer(self) -> Trainer:
        """Made when the first feedback comes: it loads River, which other workers do without."""
        from streams.worker.trainer import Trainer

        return Trainer(self.settings, self.store, self.publisher, self.topics)

    async def feedback(self, partition: int, records: Sequence[Record]) -> None:
        """Learn from examples, store the trainer's state, broadcast the weights. Raises NotOwner."""
        await handle_each(records, self._feedback, partial(self._refuse, self.topics.feedback.name, partition))

    async def _feedback(self, records: Sequence[Record]) -> None:
        learnt = await self._trainer.learn(records)
        if learnt is not None:
            self.metrics.learnt.inc(learnt.pairs)
            self.metrics.events.labels("feedback").inc(learnt.examples)
            for surface in learnt.biased:
                self.metrics.examined(surface, self._trainer.examination(surface))
            for surface in learnt.watched:
                self.metrics.watched(surface, self._trainer.drift(surface).recent)
            self._alarm(learnt.alarms)
            for surface, source in learnt.silent:
                self.metrics.silent_sources.labels(surface, source).inc()
                log.warning(
                    "a source is silent: it scores nothing that is shown",
                    surface=surface,
                    source=source,
                    look_at="STREAMRANK_SOURCES, the lag of ingest, Redis: docs/operations.md, The drift alarm",
                )

    def _alarm(self, surfaces: Sequence[str]) -> None:
        """Say that the drift alarm was raised, and where to look: it is the operator's, nothing is changed by it."""
        for surface in surfaces:
            drift = self._trainer.drift(surface)
            self.metrics.drift_alarms.labels(surface).inc()
            log.warning(
                "drift alarm: what is chosen stands lower than it used to",
                surface=surface,
                loss=round(drift.recent, 4),
                loss_before=round(drift.before, 4),
                feedbacks=drift.seen,
                look_at="a source that is silent, the catalogue, the ranker's age: docs/operations.md, The drift alarm",
            )

    # ---- what cannot be used

    async def _refuse(self, topic: str, partition: int, record: Record, error: InvalidEvent) -> None:
        """A dead letter for a record whose handling failed, and its watermark past it. Raises NotOwner."""
        letter = dead_letter(record, error, topic, partition)
        self.metrics.dead([letter])
        await self.publisher.publish(letters([letter], self.topics.dead_letters.name))
        if topic == self.topics.feedback.name:
            await self._trainer.pass_by(record[2])
        elif topic == self.topics.signals.name:
            signals = (await self._signals_mark(partition)).moved(record[2])
            await self._pass_by(topic, partition, self._signals[partition].raw, signals.stored())
            self._signals[partition] = signals
        elif topic == self.topics.behavior_events.name:
            mine = self._behaviors.get(partition) or await self._load_behaviors(partition)
            mark = read_mark(mine.mark).copy()
            mark["offset"] = record[2]
            await self._pass_by(topic, partition, mine.mark, mark.tobytes())
            mine.mark = mark.tobytes()

    async def _pass_by(self, topic: str, partition: int, mark: bytes | None, new: bytes) -> None:
        async with self.store.transaction(keys.watermark(partition, topic)) as transaction:
            await self._guarded(transaction, mark, topic, partition)([])
            if not await transaction.write(new, []):
                raise self._lost(topic, partition)
