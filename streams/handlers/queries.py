"""Query events: understand, retrieve, rank, adapt, explore, answer; three reads of Redis for a whole batch."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.ask import Ask
from models.exploration import explore
from models.exploration.slates import ExploredPage
from models.features.registry import INDEX
from models.items.catalogue import Catalogue
from models.retrieval.candidates import Timer, untimed
from models.retrieval.sources.registry import SOURCES
from models.serving import Models
from state import keys
from state.impressions import StoredImpression
from state.impressions import encode as encode_impression
from state.sessions import encode as encode_session
from streamrank_client.answers import CANDIDATES_CUT, REASONS_CUT, Answer, AnswerItem, IntentLabel
from streamrank_client.events import Query
from streamrank_client.fields import Place
from streams.handlers.keeping import impression
from streams.handlers.knowing import know
from streams.handlers.matches import counted_matches
from streams.handlers.ranking import Prepared, Ranked, in_order, prepare
from streams.handlers.sessions import remembered
from streams.handlers.showing import show
from streams.handlers.steps import Values
from streams.handlers.suggesting import suggest
from streams.handlers.telling import explain
from streams.handlers.understanding import understood
from streams.policy.deployment import Deployment
from streams.policy.plans import Plan

#: stages of an answer that are timed
STAGES: Final = ("understand", "retrieve", "rank")


@dataclass(slots=True)
class Answered:
    """Answers in the order of the queries, and what to store for a while: (key, value)."""

    answers: list[Answer] = field(default_factory=list)
    expiring: list[tuple[bytes, bytes]] = field(default_factory=list)


def on_queries(
    queries: Sequence[Query],
    plans: Sequence[Plan],
    partition: int,
    models: Models,
    deployment: Deployment,
    timed: Timer = untimed,
    timed_stage: Timer = untimed,
) -> Generator[list[bytes], Values, Answered]:
    """Answer the queries of one partition together, each by its plan; those that ask for suggestions need no read.

    Yields Redis keys three times and is sent their values: what is known of the users; of the texts and of what
    the users used last; the counts of the candidates. ``timed`` is entered by name around each source, ``timed_stage``
    around each of ``STAGES``.
    """
    asking = [(query, plan) for query, plan in zip(queries, plans, strict=True) if not query.suggest]
    answered = Answered()
    if asking:
        own, by = zip(*asking, strict=True)
        answered = yield from _ranked(own, by, partition, models, deployment, timed, timed_stage)
    answers = iter(answered.answers)
    answered.answers = [
        suggest(query, plan, models) if query.suggest else next(answers)
        for query, plan in zip(queries, plans, strict=True)
    ]
    return answered


def _ranked(
    queries: Sequence[Query],
    plans: Sequence[Plan],
    partition: int,
    models: Models,
    deployment: Deployment,
    timed: Timer,
    timed_stage: Timer,
) -> Generator[list[bytes], Values, Answered]:
    with timed_stage("understand"):
        asks, seen = yield from know(queries, plans, partition, models, deployment)
    with timed_stage("retrieve"):
        prepared = yield from prepare(asks, plans, models, deployment.partitions, timed)
    with timed_stage("rank"):
        return _answered(queries, plans, partition, models, deployment, asks, seen, prepared)


def _answered(
    queries: Sequence[Query],
    plans: Sequence[Plan],
    partition: int,
    models: Models,
    deployment: Deployment,
    asks: Sequence[Ask],
    seen: Place | None,
    prepared: Prepared,
) -> Answered:
    """The answers, once all is read."""
    offline = models.score(prepared.inputs, [plan.own_arm for plan in plans])
    result = Answered()
    for n, query in enumerate(queries):
        candidates, inputs = prepared.candidates[n], prepared.inputs[n]
        ranked = in_order(query, asks[n], candidates, inputs, offline[n], models, plans[n])
        answer, shown = _answer(ranked, models.catalogue, deployment.retrained)
        answer.seen = seen
        answer.after_unmet = _is_unmet(query.after, seen)
        result.answers.append(answer)
        if shown is not None:
            result.expiring.append((keys.impression(partition, shown.request_id), encode_impression(shown)))
            result.expiring += _session(ranked, shown, partition, models.catalogue)
    return result


def _is_unmet(after: Place | None, seen: Place | None) -> bool:
    if after is None:
        return False
    return seen is None or seen.partition != after.partition or seen.offset < after.offset


def _answer(ranked: Ranked, catalogue: Catalogue, retrained: bool) -> tuple[Answer, StoredImpression | None]:
    query, ask = ranked.query, ranked.ask
    shown = _shown(ranked)
    rows = ranked.candidates.rows[shown.order]
    pinned = set(ranked.arranged.pinned.tolist())
    items = [
        AnswerItem(
            item_id=catalogue.ids[row],
            score=round(float(ranked.score[place]), 6),
            propensity=float(propensity),
            sources=["rule"] * (place in pinned)
            + [s for s, named in zip(SOURCES, ranked.candidates.given[place], strict=True) if named],
        )
        for row, place, propensity in zip(rows, shown.order, shown.propensity, strict=True)
    ]
    if query.details:
        show(items, rows, query.time, catalogue)
    cut = [CANDIDATES_CUT] if len(query.candidates) > ranked.plan.work else []
    if query.explain and not explain(items, ranked, shown.order, catalogue):
        cut.append(REASONS_CUT)
    matches, facets = counted_matches(ask, query, catalogue, ranked.plan.rules)
    answer = Answer(
        time=query.time,
        request_id=query.request_id,
        user_id=query.user_id,
        surface=ask.query.surface,
        intent=IntentLabel(*ask.text.meant) if ask.text.meant else None,
        understood=understood(ask, query.explain),
        items=items,
        experiment=ranked.plan.experiment,
        arm=ranked.plan.arm,
        artifact=ranked.ranker.version,
        weights_version=ranked.weights.version,
        exploration=_exploration(ranked)[0].name,
        cut=cut,
        matches=matches,
        facets=facets,
    )
    return answer, impression(ranked, shown, answer, catalogue, retrained) if items else None


def _session(
    ranked: Ranked, shown: StoredImpression, partition: int, catalogue: Catalogue
) -> list[tuple[bytes, bytes]]:
    """What the user's next search may refine, if this was one."""
    user = ranked.query.user_id
    if user is None:
        return []
    rows = np.array([catalogue.row(item) for item in shown.items], np.int32)
    session = remembered(ranked.ask, ranked.query, rows, catalogue)
    return [(keys.session(partition, user), encode_session(session))] if session is not None else []


def _shown(ranked: Ranked) -> ExploredPage:
    """The page that the query asks for."""
    query, arranged = ranked.query, ranked.arranged
    again = query.page_of or query.request_id
    policy, share = _exploration(ranked)
    new = ranked.features[:, INDEX["is_new"]] > 0
    return explore.shown(
        ranked.score, query.limit, again, policy, query.offset, arranged.fixed, arranged.late, new, share,
        ranked.plan.positions,
    )  # fmt: skip


def _exploration(ranked: Ranked) -> tuple[explore.Policy, float]:
    """Policy and share of new items. A further page explores nothing but what page one did, if it names that; a page
    in an order that was asked for, nothing.
    """
    plain = ranked.ask.query.sort is not None or (ranked.query.offset > 0 and ranked.query.page_of is None)
    return (explore.nothing, 0.0) if plain else (ranked.plan.policy, ranked.plan.new_share)
