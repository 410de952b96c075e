"""Feedback: learnt from, stored with the watermark, and the weights broadcast. One worker learns: the topic has one
partition.

Loads River, so only where this stage runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from models.learning.drift import DriftAlarm, Watch
from models.learning.online import OnlineRanker
from models.learning.position_bias import PositionBias
from models.learning.silence import Silences
from models.ranking.weights import INPUTS, OPENING, OnlineWeights, encode_weights
from state import keys
from state.marks import SourceMark, source_mark
from streamrank_client.fields import Place
from streamrank_client.vocabulary import SURFACES
from streams.handlers.learning import Learnt, feedback_in, on_feedback
from streams.handlers.steps import ReadingSteps
from streams.wire.feedback import Feedback, encode_feedback
from streams.wire.messages import Batch, Message, Record
from streams.worker.stages.base import MarkedStage, Workplace

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: work between two turns of the event loop, about 10 ms
SLICE: Final = 100
#: what there is an online ranker for: each surface, and what opens baskets
LEARNERS: Final = (*SURFACES, OPENING)


#: one item was shown, and chosen
_PLAIN: Final = Feedback(
    Place(0, 0), "home", "r", "u", "i", "click", 0, 1.0, 0, 1.0, "control", ["i"], [[0.0] * len(INPUTS)]
)


@dataclass(slots=True)
class _Learners:
    """What learns, by surface, and how far it has learnt."""

    mark: SourceMark
    rankers: dict[str, OnlineRanker]
    biases: dict[str, PositionBias]
    watches: dict[str, Watch]


class FeedbackStage(MarkedStage):
    """feedback to the online rankers' weights."""

    name = "feedback"
    plain = Record(None, encode_feedback(_PLAIN), 0, 0)

    def __init__(self, at: Workplace, learnt: Callable[[int, int], None] = lambda first, last: None) -> None:
        """``learnt``: told the first and the last offset of every batch that was handled."""
        super().__init__(at)
        self.topic = at.deployment.topics.feedback
        self._learnt = learnt
        #: None while they are ahead of the watermark, or not loaded
        self._learners: _Learners | None = None
        self._mark: SourceMark | None = None

    def most(self) -> int:
        """A slice."""
        return SLICE

    def forget(self, partition: int) -> None:
        """Drop what is remembered: another worker may have moved on from it."""
        self._learners = self._mark = None

    async def handle(self, partition: int, batch: Batch) -> None:
        """Learn from a batch."""
        await super().handle(partition, batch)
        if batch:
            self._learnt(batch[0].offset, batch[-1].offset)

    async def step(self, partition: int, batch: Batch) -> None:
        """Learn from records in offset order, each once; store the state, broadcast the weights. Raises NotOwner, and
        InvalidEvent for a record that is no feedback.
        """
        mine = await self._loaded()
        self.follows(partition, batch.position, mine.mark.next)
        examples = _examples(batch, self.at.deployment.partitions)
        # until the step is stored, the learners are ahead of the watermark
        self._learners = None
        learnt = on_feedback(
            examples, mine.mark.sources, mine.rankers, mine.biases, self.at.position_bias, mine.watches
        )
        weights = {s: mine.rankers[s].export() for s in learnt.surfaces}
        pairs = [b for s in learnt.surfaces for b in (keys.online(s), mine.rankers[s].state())]
        pairs += [b for s in learnt.biased for b in (keys.position_bias(s), mine.biases[s].state())]
        pairs += [b for s in learnt.watched for b in (keys.drift(s), mine.watches[s].loss.state())]
        pairs += [b for s in learnt.watched for b in (keys.silence(s), mine.watches[s].silences.state())]
        await self._store(mine.mark.moved(batch.next_offset, learnt.marks), pairs)
        assert self._mark is not None
        self._learners = _Learners(self._mark, mine.rankers, mine.biases, mine.watches)
        await self._broadcast(weights)
        self._tell(learnt, mine)

    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """Learn from one record, from nothing."""
        partitions = self.at.deployment.partitions
        mine, _ = _learners(source_mark(None, partitions), {}, self.at.learning_rate)
        examples = _examples([record], partitions)
        on_feedback(examples, mine.mark.sources, mine.rankers, mine.biases, self.at.position_bias, mine.watches)
        yield from ()
        return None

    async def pass_by(self, partition: int, position: int | None, next_offset: int) -> None:
        """Move the watermark without learning. Raises NotOwner."""
        mine = await self._loaded()
        self.follows(partition, position, mine.mark.next)
        await self._store(mine.mark.moved(next_offset), [])
        mine.mark = self._mark or mine.mark

    async def _store(self, mark: SourceMark, pairs: Sequence[bytes]) -> None:
        async with self.at.store.transaction(keys.watermark(0, self.topic.name)) as transaction:
            stored, _ = await transaction.read([])
            if self._mark is None or stored != self._mark.raw or not await transaction.write(mark.stored(), pairs):
                raise self.lost(0)
        self._mark = mark

    async def _broadcast(self, weights: Mapping[str, OnlineWeights]) -> None:
        target = self.at.deployment.topics.ranker_weights.name
        try:
            await self.at.publisher.publish(
                [Message(target, s.encode(), encode_weights(w), 0) for s, w in weights.items()]
            )
        except BaseException:
            # they are stored: whoever loads the state next broadcasts them
            self._learners = None
            raise

    async def _loaded(self) -> _Learners:
        """The learners; where they must be restored their weights are broadcast: a crash may have come before it.

        A watermark that is not the one remembered is another worker's, or an older one of a restored Redis.
        """
        if self._learners is not None and self._mark is not None:
            return self._learners
        (raw,) = await self.at.store.read([keys.watermark(0, self.topic.name)])
        mark = source_mark(raw, self.at.deployment.partitions)
        if self._mark is not None and mark.raw != self._mark.raw:
            raise self.lost(0)
        names = [name for names in _state_keys() for name in names]
        stored = dict(zip(names, await self.at.store.read(names), strict=True))
        mine, unusable = _learners(mark, stored, self.at.learning_rate)
        for name, reason in unusable.items():
            await self.at.store.spoil(name, stored[name], reason)
        self._mark = mark
        known = [s for s in LEARNERS if stored[keys.online(s)] is not None]
        await self._broadcast({s: mine.rankers[s].current() for s in known})
        self._learners = mine
        return mine

    # ---- what is told

    def _tell(self, learnt: Learnt, mine: _Learners) -> None:
        """Count what was learnt; say what was raised, and where to look: nothing is changed by it."""
        metrics = self.at.metrics
        metrics.learnt.inc(learnt.pairs)
        metrics.events.labels(self.name).inc(learnt.examples)
        for surface in learnt.biased:
            bias = mine.biases[surface]
            metrics.examined(surface, bias.examination()[: bias.known].tolist())
        for surface in learnt.watched:
            metrics.watched(surface, mine.watches[surface].loss.recent)
        for surface in learnt.alarms:
            self._alarm(surface, mine.watches[surface].loss)
        for surface, source in learnt.silent:
            metrics.silent_sources.labels(surface, source).inc()
            log.warning(
                "a source is silent: it scores nothing that is shown",
                surface=surface,
                source=source,
                look_at="STREAMRANK_SOURCES, the lag of ingest, Redis: docs/operations.md, The drift alarm",
            )

    def _alarm(self, surface: str, drift: DriftAlarm) -> None:
        self.at.metrics.drift_alarms.labels(surface).inc()
        log.warning(
            "drift alarm: what is chosen stands lower than it used to",
            surface=surface,
            loss=round(drift.recent, 4),
            loss_before=round(drift.before, 4),
            feedbacks=drift.seen,
            look_at="a source that is silent, the catalogue, the ranker's age: docs/operations.md, The drift alarm",
        )


def _state_keys() -> tuple[list[bytes], ...]:
    """Keys of the rankers, the biases, the alarms and the silences."""
    return (
        [keys.online(s) for s in LEARNERS],
        [keys.position_bias(s) for s in SURFACES],
        [keys.drift(s) for s in SURFACES],
        [keys.silence(s) for s in SURFACES],
    )


def _learners(
    mark: SourceMark, stored: Mapping[bytes, bytes | None], rate: float
) -> tuple[_Learners, dict[bytes, str]]:
    """What learns, as stored, and the keys of states that cannot be continued from, with what is wrong with them."""
    unusable: dict[bytes, str] = {}

    def restored(key: bytes, restore: Callable[[bytes], T], begin: Callable[[], T]) -> T:
        value = stored.get(key)
        if value is None:
            return begin()
        try:
            return restore(value)
        except Exception as error:
            unusable[key] = f"{type(error).__name__}: {error}"[:200]
            return begin()

    rankers = {
        s: restored(keys.online(s), lambda value: OnlineRanker.restore(value, rate), lambda: OnlineRanker(rate))
        for s in LEARNERS
    }
    biases: dict[str, PositionBias] = {
        s: restored(keys.position_bias(s), PositionBias.restore, PositionBias) for s in SURFACES
    }
    watches: dict[str, Watch] = {
        s: Watch(
            restored(keys.drift(s), DriftAlarm.restore, DriftAlarm),
            restored(keys.silence(s), Silences.restore, Silences),
        )
        for s in SURFACES
    }
    return _Learners(mark, rankers, biases, watches), unusable


def _examples(records: Sequence[Record], partitions: int) -> list[Feedback]:
    """The examples in records. Raises InvalidEvent for a record that is none."""
    return [feedback_in(record, partitions) for record in records]
