"""Feedback: learnt from, stored with the watermark, and the weights broadcast. One worker learns: the topic has one
partition.

Loads River, so only where this stage runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from models.learning.drift import DriftAlarm, Watch
from models.learning.online import OnlineRanker
from models.learning.position_bias import PositionBias
from models.learning.silence import Silences
from models.ranking.weights import OPENING, OnlineWeights, encode_weights
from state import keys
from state.marks import SourceMark, source_mark
from streamrank_client.vocabulary import SURFACES
from streams.handlers.learning import Learnt, on_feedback
from streams.wire.feedback import decode_feedback
from streams.wire.messages import Message, Record
from streams.worker.stages.base import MarkedStage, Workplace

log = structlog.get_logger(__name__)

#: work between two turns of the event loop, about 10 ms
SLICE: Final = 100
#: what there is an online ranker for: each surface, and what opens baskets
LEARNERS: Final = (*SURFACES, OPENING)


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

    async def handle(self, partition: int, records: Sequence[Record]) -> None:
        """Learn from a batch."""
        await super().handle(partition, records)
        if records:
            self._learnt(records[0].offset, records[-1].offset)

    async def step(self, partition: int, records: Sequence[Record]) -> None:
        """Learn from records in offset order, each once; store the state, broadcast the weights. Raises NotOwner."""
        mine = await self._loaded()
        fresh = [r for r in records if r.offset > mine.mark.offset]
        if not fresh:
            return
        # until the step is stored, the learners are ahead of the watermark
        self._learners = None
        examples = [decode_feedback(r.value) for r in fresh if r.value]
        learnt = on_feedback(
            examples, mine.mark.sources, mine.rankers, mine.biases, self.at.position_bias, mine.watches
        )
        weights = {s: mine.rankers[s].export() for s in learnt.surfaces}
        pairs = [b for s in learnt.surfaces for b in (keys.online(s), mine.rankers[s].state())]
        pairs += [b for s in learnt.biased for b in (keys.position_bias(s), mine.biases[s].state())]
        pairs += [b for s in learnt.watched for b in (keys.drift(s), mine.watches[s].loss.state())]
        pairs += [b for s in learnt.watched for b in (keys.silence(s), mine.watches[s].silences.state())]
        await self._store(mine.mark.moved(fresh[-1].offset, learnt.marks), pairs)
        assert self._mark is not None
        self._learners = _Learners(self._mark, mine.rankers, mine.biases, mine.watches)
        await self._broadcast(weights)
        self._tell(learnt, mine)

    async def pass_by(self, partition: int, offset: int) -> None:
        """Move the watermark past a record without learning from it. Raises NotOwner."""
        mine = await self._loaded()
        if offset > mine.mark.offset:
            await self._store(mine.mark.moved(offset), [])
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
        states = await self.at.store.read([keys.online(s) for s in LEARNERS])
        biases = await self.at.store.read([keys.position_bias(s) for s in SURFACES])
        rate = self.at.learning_rate
        mine = _Learners(
            mark,
            rankers={
                s: OnlineRanker.restore(v, rate) if v is not None else OnlineRanker(rate)
                for s, v in zip(LEARNERS, states, strict=True)
            },
            biases={
                s: PositionBias.restore(v) if v is not None else PositionBias()
                for s, v in zip(SURFACES, biases, strict=True)
            },
            watches=await self._watched(),
        )
        self._mark = mark
        stored = [s for s, v in zip(LEARNERS, states, strict=True) if v is not None]
        await self._broadcast({s: mine.rankers[s].current() for s in stored})
        self._learners = mine
        return mine

    async def _watched(self) -> dict[str, Watch]:
        drifts = await self.at.store.read([keys.drift(s) for s in SURFACES])
        silences = await self.at.store.read([keys.silence(s) for s in SURFACES])
        return {
            surface: Watch(
                DriftAlarm.restore(drift) if drift is not None else DriftAlarm(),
                Silences.restore(silence) if silence is not None else Silences(),
            )
            for surface, drift, silence in zip(SURFACES, drifts, silences, strict=True)
        }

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
