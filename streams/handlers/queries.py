"""Query events: understand, retrieve, rank, adapt, explore, answer; three reads of Redis for a whole batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import explore, rules
from models.ask import Ask
from models.features import FEATURES, FEATURES_VERSION, SOURCES, compute, recent_inputs
from models.ranker import RankInput
from models.sources import Candidates, retrieve
from models.weights import INITIAL, OnlineWeights, apply, inputs_of
from state import keys
from state.impressions import Impression
from state.impressions import encode as encode_shown
from state.records import COUNT
from streams.brain import Brain
from streams.events import Answer, AnswerItem, IntentLabel, Place, Query
from streams.handlers.asking import (
    add_choices,
    add_neighbours,
    add_user,
    anchor_keys,
    new_ask,
    trending,
)
from streams.handlers.contexts import read_mark
from streams.handlers.explaining import reasons
from streams.ids import key

Values = list[bytes | None]
#: candidates asked of each source before they are united
EACH: Final = 100


@dataclass(slots=True)
class Ranked:
    """One query's candidates in rank order, and everything that was known when they were ranked.

    ``candidates`` (n,), ``features`` (n, F), ``offline`` and ``score`` (n,): the ONNX ranker's score, and with
    the online weights on top; all four in the same order, best first.
    """

    query: Query
    ask: Ask
    candidates: Candidates
    features: NDArray[np.float32]
    rank_input: RankInput
    offline: NDArray[np.float32]
    score: NDArray[np.float32]
    weights: OnlineWeights

    @property
    def inputs(self) -> NDArray[np.float32]:
        """The online ranker's inputs, (n, 7)."""
        return inputs_of(self.features, self.offline)


@dataclass(slots=True)
class Answers:
    """Answers in the order of the queries, and the impressions to store: (key, value)."""

    answers: list[Answer] = field(default_factory=list)
    impressions: list[tuple[bytes, bytes]] = field(default_factory=list)


def on_queries(
    queries: Sequence[Query], partition: int, topic: str, brain: Brain
) -> Generator[list[bytes], Values, Answers]:
    """Answer the queries of one partition together; ``topic`` is that of the behaviour events.

    Yields Redis keys three times and is sent their values: what is known of the users and texts; the co-visits
    of what they used last; the counts of the candidates.
    """
    asks, seen = yield from know(queries, partition, topic, brain)
    prepared = yield from prepare(asks, brain)
    offline = brain.ranker.score(prepared.inputs)
    result = Answers()
    for n, query in enumerate(queries):
        ranked = _in_order(query, asks[n], prepared.candidates[n], prepared.inputs[n], offline[n], brain)
        answer, shown = _answer(ranked, brain)
        answer.seen = seen
        result.answers.append(answer)
        if shown is not None:
            result.impressions.append((keys.impression(partition, shown.request_id), encode_shown(shown)))
    return result


def know(
    queries: Sequence[Query], partition: int, topic: str, brain: Brain
) -> Generator[list[bytes], Values, tuple[list[Ask], Place | None]]:
    """Read users, texts and trends; then the co-visits of each query's anchors."""
    asks = [new_ask(q, brain.catalogue) for q in queries]
    brain.understand(asks)
    trend_keys = [keys.trends(p) for p in range(brain.partitions)]
    users = list(dict.fromkeys(q.user_id for q in queries if q.user_id is not None))
    texts = list(dict.fromkeys(key(brain.normalise(q.text)) for q in queries if q.text))
    found = yield (
        [keys.watermark(partition, topic), *trend_keys]
        + [keys.context(partition, u) for u in users]
        + [keys.query_clicks(brain.partitions, t) for t in texts]
    )
    mark, trends, rest = found[0], found[1 : 1 + len(trend_keys)], found[1 + len(trend_keys) :]
    user_values = dict(zip(users, rest, strict=False))
    text_values = dict(zip(texts, rest[len(users) :], strict=True))
    anchors = []
    for query, ask in zip(queries, asks, strict=True):
        recent = add_user(ask, user_values.get(query.user_id or ""), brain.catalogue)
        if query.text:
            add_choices(ask, text_values[key(brain.normalise(query.text))], brain.catalogue)
        ask.trends = trending(trends, query.time, brain.catalogue)
        anchors.append(anchor_keys(query, recent, ask.recent.weight > 0))
    wanted = list(dict.fromkeys(a for own in anchors for a in own))
    rows = yield [keys.covisits(brain.partitions, a) for a in wanted]
    values = dict(zip(wanted, rows, strict=True))
    for ask, own in zip(asks, anchors, strict=True):
        add_neighbours(ask, own, values, brain.catalogue)
    offset = int(read_mark(mark)["offset"])
    return asks, Place(partition, offset) if offset >= 0 else None


@dataclass(slots=True)
class Prepared:
    """What is to be ranked for each ask: its candidates and the ranker's inputs, in the same order."""

    asks: Sequence[Ask]
    candidates: list[Candidates]
    inputs: list[RankInput]


def prepare(asks: Sequence[Ask], brain: Brain) -> Generator[list[bytes], Values, Prepared]:
    """Retrieve candidates, read their counts, compute features."""
    candidates = retrieve(asks, brain.catalogue, brain.sources, EACH, brain.candidates)
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


def _in_order(
    query: Query,
    ask: Ask,
    candidates: Candidates,
    rank_input: RankInput,
    offline: NDArray[np.float32],
    brain: Brain,
) -> Ranked:
    features = rank_input.features
    weights = brain.weights.get(ask.surface, INITIAL)
    score = apply(weights, inputs_of(features, offline)) if len(offline) else offline
    order = rules.finish(candidates.rows, score, ask, brain.catalogue)
    return Ranked(
        query=query,
        ask=ask,
        candidates=Candidates(candidates.rows[order], candidates.scores[order], candidates.given[order]),
        features=features[order],
        rank_input=RankInput(
            features[order], rank_input.candidates[order], rank_input.recent, rank_input.recent_weight
        ),
        offline=offline[order],
        score=score[order],
        weights=weights,
    )


def _answer(ranked: Ranked, brain: Brain) -> tuple[Answer, Impression | None]:
    query, ask = ranked.query, ranked.ask
    shown = explore.shown(len(ranked.score), query.limit, query.request_id, brain.policy)
    rows = ranked.candidates.rows[shown.order]
    items = [
        AnswerItem(
            item_id=brain.catalogue.ids[row],
            score=round(float(ranked.score[place]), 6),
            propensity=float(propensity),
            sources=[s for s, named in zip(SOURCES, ranked.candidates.given[place], strict=True) if named],
        )
        for row, place, propensity in zip(rows, shown.order, shown.propensity, strict=True)
    ]
    if query.explain:
        for item, place, why in zip(items, shown.order, reasons(ranked, shown.order, brain), strict=True):
            item.reasons = why
            values = ranked.features[place].tolist()
            item.features = {n: round(v, 6) for n, v in zip(FEATURES, values, strict=True) if v}
    answer = Answer(
        time=query.time,
        request_id=query.request_id,
        user_id=query.user_id,
        surface=ask.surface,
        intent=_intent(ask, brain),
        items=items,
        arm=brain.arm,
        artifact=brain.ranker.version,
        weights_version=ranked.weights.version,
    )
    return answer, _impression(ranked, shown, answer) if items else None


def _intent(ask: Ask, brain: Brain) -> IntentLabel | None:
    if ask.vector is None:
        return None
    found = brain.intent.decide(ask.intent)
    return IntentLabel(found.label, round(found.confidence, 6))


def _impression(ranked: Ranked, shown: explore.Shown, answer: Answer) -> Impression:
    return Impression(
        request_id=answer.request_id,
        user_id=answer.user_id or "",
        time=answer.time,
        surface=answer.surface,
        arm=answer.arm,
        text=ranked.query.text,
        items=[i.item_id for i in answer.items],
        propensities=[i.propensity for i in answer.items],
        features=ranked.features[shown.order],
        offline=ranked.offline[shown.order],
        weights_version=answer.weights_version,
        artifact=answer.artifact,
        feature_names=FEATURES_VERSION,
    )
