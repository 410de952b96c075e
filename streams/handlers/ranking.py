"""Ranking what is known: candidates, features, the ONNX ranker, the online weights, and the business rules' order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ask import Ask
from models.base.arrays import Floats
from models.features.kernels import compute, recent_inputs
from models.ranking.adjustments.base import ScoredList
from models.ranking.adjustments.registry import adjust
from models.ranking.authority import tiers
from models.ranking.order import Arranged, arrange
from models.ranking.ranker import Ranker, RankInput
from models.ranking.weights import INITIAL, OPENING, OnlineWeights, apply, inputs_of, opens
from models.retrieval.candidates import Candidates, Timer, retrieve, untimed
from models.retrieval.matches import by_rating
from models.retrieval.text_evidence import evidence
from models.serving import Models
from state import keys
from state.records import COUNT
from streamrank_client.events import Query
from streamrank_client.vocabulary import RATING
from streams.handlers.steps import Values
from streams.policy.plans import Plan

#: candidates asked of each source before they are united
EACH: Final = 100


@dataclass(frozen=True, slots=True)
class Ranked:
    """One query's candidates in rank order, and everything that was known when they were ranked.

    ``ranker``: the one that scored it. ``candidates`` (n,), ``features`` (n, F), ``offline`` and ``score`` (n,): the
    ONNX ranker's score, and with the online weights and the adjustments on top; ``adjustments``: what else adds to the
    score, (n,) by name; all in the same order, best first. ``arranged``: what the rules made of the order;
    ``retrieved``: the ranker's input in the order of retrieval.
    """

    query: Query
    ask: Ask
    plan: Plan
    ranker: Ranker
    candidates: Candidates
    features: Floats
    offline: Floats
    score: Floats
    weights: OnlineWeights
    adjustments: dict[str, Floats]
    arranged: Arranged
    retrieved: RankInput

    @property
    def rank_input(self) -> RankInput:
        """The ranker's input in rank order."""
        vectors, user = self.retrieved.candidates[self.arranged.order], self.retrieved
        return RankInput(self.features, vectors, user.recent, user.recent_weight)

    @property
    def inputs(self) -> Floats:
        """The online ranker's inputs, (n, d)."""
        return inputs_of(self.features, self.offline)


@dataclass(slots=True)
class Prepared:
    """What is to be ranked for each ask: its candidates and the ranker's inputs, in the same order."""

    asks: Sequence[Ask]
    candidates: list[Candidates]
    inputs: list[RankInput]


def prepare(
    asks: Sequence[Ask], plans: Sequence[Plan], models: Models, partitions: int, timed: Timer = untimed
) -> Generator[list[bytes], Values, Prepared]:
    """Retrieve candidates, read their counts, compute features."""
    candidates = _retrieve(asks, plans, models, timed)
    catalogue = models.catalogue
    # each candidate's place among those to be read: of several asks many are the same
    rows, places = candidates[0].rows if candidates else np.zeros(0, np.int32), None
    if len(candidates) > 1:
        rows, places = np.unique(np.concatenate([own.rows for own in candidates]), return_inverse=True)
    stored = yield keys.counts_of(partitions, catalogue.keys.take(rows))
    blank = bytes(COUNT.itemsize)
    counts = np.frombuffer(b"".join([v if v is not None else blank for v in stored]), COUNT)
    inputs: list[RankInput] = []
    ordered: list[Candidates] = []
    start = 0
    for ask, own in zip(asks, candidates, strict=True):
        end = start + len(own.rows)
        some = counts if places is None else counts[places[start:end]]
        if ask.query.sort == "rating":
            best = by_rating(some["ratings"], some["kinds"][:, RATING].astype(np.float64))[
                : ask.query.offset + ask.query.limit
            ]
            own, some = own.taken(best), some[best]
        ordered.append(own)
        features = compute(ask, catalogue, own, some, models.tower)
        recent, weight = recent_inputs(ask.user.recent, catalogue)
        inputs.append(RankInput(features, catalogue.compact.take(own.rows, axis=0), recent, weight))
        start = end
    return Prepared(asks, ordered, inputs)


def _retrieve(asks: Sequence[Ask], plans: Sequence[Plan], models: Models, timed: Timer) -> list[Candidates]:
    """Candidates of each ask; those of one plan are searched together."""
    found: dict[int, Candidates] = {}
    for plan in dict.fromkeys(plans):
        places = [n for n, own in enumerate(plans) if own is plan]
        together = retrieve(
            [asks[n] for n in places], models.catalogue, plan.sources, EACH, plan.candidates, plan.rules, timed,
            models.tower,
        )  # fmt: skip
        found |= dict(zip(places, together, strict=True))
    return [found[n] for n in range(len(asks))]


def in_order(
    query: Query,
    ask: Ask,
    candidates: Candidates,
    rank_input: RankInput,
    offline: Floats,
    models: Models,
    plan: Plan,
) -> Ranked:
    """The candidates in the order in which they are shown, before exploration."""
    features = rank_input.features
    learnt = OPENING if opens(ask.query.surface, features) else ask.query.surface
    weights = models.weights.get(learnt, INITIAL) if plan.online else INITIAL
    score = apply(weights, inputs_of(features, offline)) if len(offline) else offline
    ranker = models.ranker_for(plan.own_arm)
    text = evidence(ask, models.catalogue, candidates.rows) if "lexical" in plan.sources else None
    scored = ScoredList(ask, models.catalogue, candidates, features, score, ranker, plan.sources, text)
    adjustments = adjust(scored)
    for added in adjustments.values():
        score = score + added
    tier = tiers(ask, candidates.rows, text)
    if ask.query.sort is None:
        arranged = arrange(candidates.rows, score, ask, models.catalogue, plan.rules, tier)
    else:
        nothing = np.zeros(0, np.intp)
        arranged = Arranged(np.arange(len(score)), nothing, 0, nothing)
    order = arranged.order
    return Ranked(
        query=query,
        ask=ask,
        plan=plan,
        ranker=ranker,
        candidates=candidates.taken(order),
        features=features.take(order, axis=0),
        offline=offline[order],
        score=score[order],
        weights=weights,
        adjustments={name: added[order] for name, added in adjustments.items()},
        arranged=arranged,
        retrieved=rank_input,
    )
