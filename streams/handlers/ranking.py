"""Ranking what is known: candidates, features, the ONNX ranker, the online weights, and the business rules' order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.features import compute, recent_inputs
from models.order import Arranged, arrange
from models.ranker import RankInput
from models.sources import Candidates, retrieve
from models.weights import INITIAL, OnlineWeights, apply, inputs_of
from state import keys
from state.records import COUNT
from streams.brain import Brain
from streams.events import Query
from streams.handlers.adjusting import adjust
from streams.handlers.meaning import broad
from streams.plans import Plan

Values = list[bytes | None]
#: candidates asked of each source before they are united
EACH: Final = 100


@dataclass(slots=True)
class Ranked:
    """One query's candidates in rank order, and everything that was known when they were ranked.

    ``candidates`` (n,), ``features`` (n, F), ``offline`` and ``score`` (n,): the ONNX ranker's score, and with
    the online weights and the adjustments on top; ``adjustments``: what else adds to the score, (n,) by name; all
    in the same order, best first. ``arranged``: what the rules made of the order.
    """

    query: Query
    ask: Ask
    plan: Plan
    candidates: Candidates
    features: NDArray[np.float32]
    rank_input: RankInput
    offline: NDArray[np.float32]
    score: NDArray[np.float32]
    weights: OnlineWeights
    adjustments: dict[str, NDArray[np.float32]]
    arranged: Arranged

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
    item_keys = [brain.catalogue.keys[c.rows] for c in candidates]
    wanted = np.unique(np.concatenate([*item_keys, np.zeros(0, np.uint64)]))
    found = yield [keys.counts(brain.partitions, k) for k in wanted.tolist()]
    blank = bytes(COUNT.itemsize)
    counts = np.frombuffer(b"".join([v if v is not None else blank for v in found]), COUNT)
    inputs = []
    for ask, own, item_key in zip(asks, candidates, item_keys, strict=True):
        features = compute(ask, brain.catalogue, own, counts[np.searchsorted(wanted, item_key)])
        recent, weight = recent_inputs(ask, brain.catalogue)
        inputs.append(RankInput(features, brain.catalogue.compact[own.rows], recent, weight))
    return Prepared(asks, candidates, inputs)


def _retrieve(asks: Sequence[Ask], brain: Brain, plans: Sequence[Plan]) -> list[Candidates]:
    """Candidates of each ask; those of one plan are searched together."""
    found: dict[int, Candidates] = {}
    for plan in dict.fromkeys(plans):
        places = [n for n, own in enumerate(plans) if own is plan]
        some = [asks[n] for n in places]
        for ask in some:
            ask.new_days = plan.new_days
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
    weights = brain.weights.get(ask.surface, INITIAL) if plan.online else INITIAL
    score = apply(weights, inputs_of(features, offline)) if len(offline) else offline
    own = replace(brain, ranker=brain.ranker_for(plan), plan=plan)
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
        features=features[order],
        rank_input=RankInput(
            features[order], rank_input.candidates[order], rank_input.recent, rank_input.recent_weight
        ),
        offline=offline[order],
        score=score[order],
        weights=weights,
        adjustments={name: added[order] for name, added in adjustments.items()},
        arranged=arranged,
    )
