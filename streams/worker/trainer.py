"""The trainer: learns from the feedback topic, stores its state with the watermark, broadcasts the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.learning.drift import DriftAlarm, Watch
from models.learning.online import OnlineRanker
from models.learning.position_bias import PositionBias
from models.learning.silence import Silences
from models.ranking.weights import OPENING, OnlineWeights, encode_weights
from state import keys
from state.store import Store
from streams.handlers.feedback import Learnt, decode_feedback, on_feedback
from state.marks import SourceMark, load_mark, lost
from streams.wire.messages import Message, Publisher, Record
from streams.settings import Settings
from streamrank_client.topics import Topics

SURFACES: Final = ("search", "home", "similar", "cart", "rerank")
#: what there is an online ranker for
LEARNERS: Final = (*SURFACES, OPENING)


class Trainer:
    """One online ranker for each surface, and one for what opens baskets.

    One instance a deployment learns, as its topic has one partition.
    """

    def __init__(self, settings: Settings, store: Store, publisher: Publisher, topics: Topics) -> None:
        self._settings = settings
        self._store = store
        self._publisher = publisher
        self._topic = topics.feedback.name
        self._target = topics.ranker_weights.name
        self._rankers: dict[str, OnlineRanker] | None = None
        self._biases: dict[str, PositionBias] = {}
        self._watches: dict[str, Watch] = {}
        self._mark: SourceMark | None = None

    def forget(self) -> None:
        """Drop what is remembered: another worker may have moved on from it."""
        self._rankers = self._mark = None

    async def learn(self, records: Sequence[Record]) -> Learnt | None:
        """Learn from records in offset order, each once; None if all were old. Raises NotOwner."""
        rankers, mine = await self._loaded()
        fresh = [r for r in records if r[2] > mine.offset]
        if not fresh:
            return None
        # until the step is stored, the rankers are ahead of the watermark
        self._rankers = None
        examples = [decode_feedback(r[1]) for r in fresh if r[1]]
        learnt = on_feedback(examples, mine.sources, rankers, self._biases, self._settings.position_bias, self._watches)
        weights = {s: rankers[s].export() for s in learnt.surfaces}
        pairs = [b for s in learnt.surfaces for b in (keys.online(s), rankers[s].state())]
        pairs += [b for s in learnt.biased for b in (keys.position_bias(s), self._biases[s].state())]
        pairs += [b for s in learnt.watched for b in (keys.drift(s), self._watches[s].loss.state())]
        pairs += [b for s in learnt.watched for b in (keys.silence(s), self._watches[s].silences.state())]
        await self._store_mark(mine.moved(fresh[-1][2], learnt.marks), pairs)
        self._rankers = rankers
        await self._broadcast(weights)
        return learnt

    def examination(self, surface: str) -> list[float]:
        """How likely each position of a surface is looked at, relative to the first; empty before any is known."""
        bias = self._biases.get(surface)
        return bias.examination()[: bias.known].tolist() if bias is not None else []

    def drift(self, surface: str) -> DriftAlarm:
        """The drift alarm of a surface, as it stands after what was learnt last."""
        return self._watches[surface].loss

    async def pass_by(self, offset: int) -> None:
        """Go past a record without learning from it. Raises NotOwner."""
        _, mine = await self._loaded()
        if offset > mine.offset:
            await self._store_mark(mine.moved(offset), [])

    async def _store_mark(self, mark: SourceMark, pairs: Sequence[bytes]) -> None:
        key = keys.watermark(0, self._topic)
        async with self._store.transaction(key) as transaction:
            found, _ = await transaction.read([])
            if self._mark is None or found != self._mark.raw or not await transaction.write(mark.stored(), pairs):
                self.forget()
                raise lost(self._topic, 0)
        self._mark = mark

    async def _broadcast(self, weights: dict[str, OnlineWeights]) -> None:
        messages = [Message(self._target, s.encode(), encode_weights(w), 0) for s, w in weights.items()]
        try:
            await self._publisher.publish(messages)
        except BaseException:
            # they are stored: whoever loads the state next broadcasts them
            self._rankers = None
            raise

    async def _loaded(self) -> tuple[dict[str, OnlineRanker], SourceMark]:
        """The rankers; where they must be restored their weights are broadcast: a crash may have come before it.

        A watermark that is not the one remembered is another worker's, or an older one of a restored Redis.
        """
        if self._rankers is not None and self._mark is not None:
            return self._rankers, self._mark
        mark = await load_mark(self._store, 0, self._topic, self._settings.partitions)
        if self._mark is not None and mark.raw != self._mark.raw:
            self.forget()
            raise lost(self._topic, 0)
        states = await self._store.read([keys.online(s) for s in LEARNERS])
        biases = await self._store.read([keys.position_bias(s) for s in SURFACES])
        self._biases = {
            s: PositionBias.restore(v) if v is not None else PositionBias()
            for s, v in zip(SURFACES, biases, strict=True)
        }
        self._watches = await self._watched()
        rate = self._settings.learning_rate
        rankers = {
            s: OnlineRanker.restore(v, rate) if v is not None else OnlineRanker(rate)
            for s, v in zip(LEARNERS, states, strict=True)
        }
        known = {s: rankers[s].current() for s, v in zip(LEARNERS, states, strict=True) if v is not None}
        self._mark = mark
        await self._broadcast(known)
        self._rankers = rankers
        return rankers, mark

    async def _watched(self) -> dict[str, Watch]:
        drifts = await self._store.read([keys.drift(s) for s in SURFACES])
        silences = await self._store.read([keys.silence(s) for s in SURFACES])
        return {
            surface: Watch(
                DriftAlarm.restore(drift) if drift is not None else DriftAlarm(),
                Silences.restore(silence) if silence is not None else Silences(),
            )
            for surface, drift, silence in zip(SURFACES, drifts, silences, strict=True)
        }
