"""Ranking what is known: candidates, features, the ONNX ranker, the online weights, and the business rules' order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.features.kernels import compute, recent_inputs
from models.ranking.order import Arranged, arrange
from models.ranking.ranker import RankInput
from models.retrieval.candidates import Candidates, retrieve
from models.ranking.weights import INITIAL, OPENING, OnlineWeights, apply, inputs_of, opens
from state import keys
from state.records import COUNT
from streams.handlers.brain import Brain
from streamrank_client.events import Query
from models.ranking.adjustments import adjust
from models.ranking.intent_adjustments import broad
from streams.policy.plans import Plan

Values = list[bytes | None]
#: candidates asked of each source before they are united
EACH: Final = 100


@dataclass(slots=True)
class Ranked:
    """One query's candidates in rank order, and everything that was known when they were ranked.

    ``candidates`` (n,), ``features`` (n, F), ``offline`` and ``score`` (n,): the ONNX ranker's score, and with
    the online weights and the adjustments on top; ``adjustments``: what else adds to the score, (n,) by name; all
    in the same order, best first. ``arranged``: what the rules made of the order; ``retrieved``: the ranker's input
    in the order of retrieval.
    """

    query: Query
    ask: Ask
    plan: Plan
    candidates: Candidates
    features: NDArray[np.float32]
    offline: NDArray[np.float32]
    score: NDArray[np.float32]
    weights: OnlineWeights
    adjustments: dict[str, NDArray[np.float32]]
    arranged: Arranged
    retrieved: RankInput

    @property
    def rank_input(self) -> RankInput:
        """The ranker's input in rank order."""
        vectors, user = self.retrieved.candidates[self.arranged.order], self.retrieved
        return RankInput(self.features, vectors, user.recent, user.recent_weight)

    @property
    def inputs(self) -> NDArray[np.float32]:
        """The online ranker's inputs, (n, d)."""
        return inputs_of(self.features, self.offline)


@dataclass(slots=True)
class Prepared:
    """What is to be ranked for each ask: its candidates and the ranker's inputs, in the same order."""

    asks: Sequence[Ask]
    candidates: list[Candidates]
    inputs: list[RankInput]


def prepare(
    asks: Sequence[Ask], brain: Brain, plans: Sequence[Plan] | None = None
) -> Generator[list[bytes], Values, Prepared]:
    """Retrieve candidates, read their counts, compute features. Without ``plans``, one each, all have the brain's."""
    candidates = _retrieve(asks, brain, plans or [brain.plan] * len(asks))
    # each candidate's place among those to be read: of several asks many are the same
    rows, places = candidates[0].rows if candidates else np.zeros(0, np.int32), None
    if len(candidates) > 1:
        rows, places = np.unique(np.concatenate([own.rows for own in candidates]), return_inverse=True)
    found = yield keys.counts_of(brain.partitions, brain.catalogue.keys.take(rows))
    blank = bytes(COUNT.itemsize)
    counts = np.frombuffer(b"".join([v if v is not None else blank for v in found]), COUNT)
    inputs, start = [], 0
    for ask, own in zip(asks, candidates, strict=True):
        end = start + len(own.rows)
        features = compute(ask, brain.catalogue, own, counts if places is None else counts[places[start:end]])
        recent, weight = recent_inputs(ask, brain.catalogue)
        inputs.append(RankInput(features, brain.catalogue.compact.take(own.rows, axis=0), recent, weight))
        start = end
    return Prepared(asks, candidates, inputs)


def _retrieve(asks: Sequence[Ask], brain: Brain, plans: Sequence[Plan]) -> list[Candidates]:
    """Candidates of each ask; those of one plan are searched together."""
    found: dict[int, Candidates] = {}
    for plan in dict.fromkeys(plans):
        places = [n for n, own in enumerate(plans) if own is plan]
        some = [asks[n] for n in places]
        for ask in some:
            ask.query.new_days = plan.new_days
        together = retrieve(some, brain.catalogue, plan.sources, EACH, plan.candidates, plan.rules, brain.timed)
        found |= dict(zip(places, together, strict=True))
    return [found[n] for n in range(len(asks))]


def in_order(
    query: Query,
    ask: Ask,
    candidates: Candidates,
    rank_input: RankInput,
    offline: NDArray[np.float32],
    brain: Brain,
    plan: Plan,
) -> Ranked:
    """The candidates in the order in which they are shown, before exploration."""
    features = rank_input.features
    learnt = OPENING if opens(ask.query.surface, features) else ask.query.surface
    weights = brain.weights.get(learnt, INITIAL) if plan.online else INITIAL
    score = apply(weights, inputs_of(features, offline)) if len(offline) else offline
    ranker = brain.ranker_for(plan)
    own = brain if plan is brain.plan and ranker is brain.ranker else replace(brain, ranker=ranker, plan=plan)
    adjustments = adjust(ask, candidates, features, score, own)
    for added in adjustments.values():
        score = score + added
    arranged = arrange(candidates.rows, score, ask, brain.catalogue, broad(ask, plan.rules))
    order = arranged.order
    return Ranked(
        query=query,
        ask=ask,
        plan=plan,
        candidates=candidates.taken(order),
        features=features.take(order, axis=0),
        offline=offline[order],
        score=score[order],
        weights=weights,
        adjustments={name: added[order] for name, added in adjustments.items()},
        arranged=arranged,
        retrieved=rank_input,
    )
