"""One batch, one step: read, run the handler, publish, store. The Faust agents and the replay driver share it.

The order gives exact effects: what follows from a batch is published and acknowledged first, then the batch's
state is stored together with its watermark, in one transaction; Kafka's offset is committed last. A batch that is
done twice publishes the same deltas again, and their receivers drop them by the places they carry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.online import OnlineRanker
from models.weights import encode_weights
from state import keys
from state.event_ids import Window, block_keys
from state.store import Store, Transaction
from streams.brain import Brain
from streams.errors import InvalidEvent, NotOwner
from streams.events import Answer, AnswerError, Query, decode_query, encode
from streams.handlers.catalogue import on_items
from streams.handlers.contexts import Known, on_behavior, read_mark
from streams.handlers.decoding import dead_letter, decode_one, letters, request_id_of
from streams.handlers.feedback import decode_feedback, encode_feedback, on_feedback
from streams.handlers.queries import Answers, on_queries
from streams.handlers.signals import fold_signals
from streams.messages import Message, Record
from streams.metrics import Metrics
from streams.settings import Settings
from streams.signals import decode_signals, encode_signals
from streams.topics import Topics, topics

T = TypeVar("T")
Steps = Generator[list[bytes], list[bytes | None], T]
SURFACES = ("search", "home", "similar", "cart", "rerank")


class Publisher(Protocol):
    """Where messages go: Kafka in a worker, straight to the next handler in a replay."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once all messages are stored for good."""


@dataclass(slots=True)
class _Behaviors:
    """What a worker keeps of a behaviour partition it owns: its stored watermark and the ids counted lately."""

    mark: bytes | None
    window: Window


@dataclass(slots=True)
class _Signals:
    """What a worker keeps of a signals partition: its mark as stored, and the same as numbers."""

    mark: bytes | None
    offset: int
    sources: NDArray[np.int64]


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
        self._behaviors: dict[int, _Behaviors] = {}
        self._signals: dict[int, _Signals] = {}
        self._item_times: dict[int, int] = {}
        self._trainer: dict[str, OnlineRanker] | None = None
        self._trainer_mark: _Signals | None = None

    def forget(self, topic: str, partition: int) -> None:
        """Drop what is remembered of a partition that has gone, or whose watermark another worker has moved."""
        if topic == self.topics.behavior_events.name:
            self._behaviors.pop(partition, None)
        elif topic == self.topics.signals.name:
            self._signals.pop(partition, None)
        elif topic == self.topics.feedback.name:
            self._trainer = self._trainer_mark = None

    async def starts(self, topic: str, partitions: Sequence[int]) -> dict[int, int]:
        """Where to start reading each partition of a topic that has watermarks: just after them."""
        watermarked = {self.topics.behavior_events.name, self.topics.signals.name, self.topics.feedback.name}
        if topic not in watermarked:
            return {}
        found = await self.store.read([keys.watermark(p, topic) for p in partitions])
        offsets = {p: int(np.frombuffer(v, np.int64, 1)[0]) + 1 for p, v in zip(partitions, found, strict=True) if v}
        return {p: offsets.get(p, 0) for p in partitions}

    # ---- item-events

    async def items(self, partition: int, records: Sequence[Record]) -> None:
        """Understand items and broadcast them."""
        spec = self.topics.item_events
        newest = self._item_times.get(partition, -1)
        how = self.brain.understand_items()
        changes = on_items(records, newest, spec.name, partition, self.topics.catalogue.name, how)
        self._item_times[partition] = changes.newest
        await self.publisher.publish(changes.messages + letters(changes.dead, self.topics.dead_letters.name))
        self.metrics.dead(changes.dead)
        self.metrics.events.labels("items").inc(changes.accepted)

    # ---- behavior-events

    async def behaviors(self, partition: int, records: Sequence[Record]) -> None:
        """Fold behaviour into contexts; publish signals and feedback. Raises NotOwner."""
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
            changes = await _run(steps, self._guarded(transaction, mine.mark, topic, partition))
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
        self.metrics.events.labels("behavior").inc(changes.accepted)
        self.metrics.feedback.inc(len(changes.feedback))

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
        return NotOwner(f"{topic}[{partition}] was stored past this worker's watermark by another one")

    # ---- signals

    async def signals(self, partition: int, records: Sequence[Record]) -> None:
        """Fold deltas into co-visits, counts, query clicks and trends. Raises NotOwner."""
        topic = self.topics.signals.name
        mine = self._signals.get(partition)
        if mine is None:
            mine = self._signals[partition] = await self._load_mark(partition, topic)
        fresh = [r for r in records if r[2] > mine.offset]
        if not fresh:
            return
        deltas = [decode_signals(r[1]) for r in fresh if r[1] is not None]
        steps = fold_signals(deltas, mine.sources, self.settings.partitions, partition)
        async with self.store.transaction(keys.watermark(partition, topic)) as transaction:
            changes = await _run(steps, self._guarded(transaction, mine.mark, topic, partition))
            mark = np.concatenate([[fresh[-1][2]], changes.marks]).astype("<i8").tobytes()
            if not await transaction.write(mark, changes.pairs):
                raise self._lost(topic, partition)
        mine.mark, mine.offset, mine.sources = mark, fresh[-1][2], changes.marks
        self.metrics.events.labels("signals").inc(len(fresh))

    async def _load_mark(self, partition: int, topic: str) -> _Signals:
        (mark,) = await self.store.read([keys.watermark(partition, topic)])
        if mark is None:
            return _Signals(None, -1, np.full(self.settings.partitions, -1, np.int64))
        numbers = np.frombuffer(mark, "<i8")
        return _Signals(mark, int(numbers[0]), numbers[1:].astype(np.int64))

    # ---- feedback

    async def feedback(self, partition: int, records: Sequence[Record]) -> None:
        """Learn from examples, store the trainer's state, broadcast the weights. Raises NotOwner."""
        topic = self.topics.feedback.name
        if self._trainer is None or self._trainer_mark is None:
            await self._load_trainer()
        trainer, mine = self._trainer, self._trainer_mark
        assert trainer is not None and mine is not None
        fresh = [r for r in records if r[2] > mine.offset]
        if not fresh:
            return
        learnt = on_feedback([decode_feedback(r[1]) for r in fresh if r[1]], mine.sources, trainer)
        weights = {s: trainer[s].export() for s in learnt.surfaces}
        pairs = [b for s in learnt.surfaces for b in (keys.online(s), trainer[s].state())]
        async with self.store.transaction(keys.watermark(partition, topic)) as transaction:
            await self._guarded(transaction, mine.mark, topic, partition)([])
            mark = np.concatenate([[fresh[-1][2]], learnt.marks]).astype("<i8").tobytes()
            if not await transaction.write(mark, pairs):
                raise self._lost(topic, partition)
        mine.mark, mine.offset, mine.sources = mark, fresh[-1][2], learnt.marks
        target = self.topics.ranker_weights.name
        await self.publisher.publish([Message(target, s.encode(), encode_weights(w), 0) for s, w in weights.items()])
        self.metrics.learnt.inc(learnt.pairs)
        self.metrics.events.labels("feedback").inc(learnt.examples)

    async def _load_trainer(self) -> None:
        """Restore the trainer, and broadcast its weights: a crash may have come between storing and broadcasting."""
        mark = await self._load_mark(0, self.topics.feedback.name)
        states = await self.store.read([keys.online(s) for s in SURFACES])
        rate = self.settings.learning_rate
        trainer = {
            s: OnlineRanker.restore(v, rate) if v is not None else OnlineRanker(rate)
            for s, v in zip(SURFACES, states, strict=True)
        }
        target = self.topics.ranker_weights.name
        known = [s for s, v in zip(SURFACES, states, strict=True) if v is not None]
        messages = [Message(target, s.encode(), encode_weights(trainer[s].current()), 0) for s in known]
        await self.publisher.publish(messages)
        self._trainer, self._trainer_mark = trainer, mark

    # ---- query-events

    async def seen(self, partition: int) -> int:
        """The last offset of a behaviour partition whose effects are stored, -1 for none."""
        (mark,) = await self.store.read([keys.watermark(partition, self.topics.behavior_events.name)])
        return int(read_mark(mark)["offset"])

    def decode_queries(self, partition: int, records: Sequence[Record]) -> tuple[list[Query], list[Message]]:
        """The usable queries, and for the others a dead letter and, where the request id can be read, an answer."""
        topic = self.topics.query_events.name
        queries: list[Query] = []
        messages: list[Message] = []
        for record in records:
            try:
                queries.append(decode_one(record, decode_query, _query_key))
            except InvalidEvent as error:
                letter = dead_letter(record, error, topic, partition)
                self.metrics.dead([letter])
                messages += letters([letter], self.topics.dead_letters.name)
                messages += self._rejection(record, error)
        return queries, messages

    def _rejection(self, record: Record, error: InvalidEvent) -> list[Message]:
        request_id = request_id_of(record[1])
        if request_id is None:
            return []
        wrong = AnswerError(error.code, error.field, error.message)
        answer = Answer(time=0, request_id=request_id, error=wrong)
        return [self._reply(answer, self.topics.recommendations.name, record[0] or request_id.encode())]

    async def queries(self, partition: int, queries: Sequence[Query]) -> None:
        """Answer queries together, store their impressions, then publish the answers."""
        if not queries:
            return
        steps: Steps[Answers] = on_queries(queries, partition, self.topics.behavior_events.name, self.brain)
        answers = await _run(steps, self.store.read)
        await self.store.write_expiring(answers.impressions, int(self.settings.join_hours * 3600) + 60)
        default = self.topics.recommendations.name
        await self.publisher.publish(
            [
                self._reply(answer, query.reply_topic or default, query.key.encode())
                for query, answer in zip(queries, answers.answers, strict=True)
            ]
        )

    def _reply(self, answer: Answer, topic: str, key: bytes) -> Message:
        return Message(topic, key, encode(answer), None, (("request_id", answer.request_id.encode()),))


def _query_key(query: Query) -> str:
    return query.key


async def _run(steps: Steps[T], read: Callable[[list[bytes]], Awaitable[list[bytes | None]]]) -> T:
    """Run a handler that reads, in as many rounds as it asks for."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await read(wanted))
    except StopIteration as done:
        result: T = done.value
        return result
