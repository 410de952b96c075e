"""One tested event as a query to the handlers that serve: the only place of the evaluation that knows them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.base.arrays import Rows
from models.evaluate.journal import Journal
from models.items.catalogue import Catalogue
from models.ranking.ranker import RankInput
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.registry import SOURCES
from models.serving import Models
from state.impressions import StoredImpression
from state.store import Store
from streamrank_client.events import Click, Query
from streams.handlers.feedback import join
from streams.handlers.knowing import know
from streams.handlers.ranking import EACH, Prepared, Ranked, in_order, prepare
from streams.handlers.steps import run_steps
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.policy.plans import Plan
from streams.wire.feedback import encode_feedback
from streams.wire.messages import Record

#: positions of a list that count as shown when its event is learnt from
SHOWN: Final = 20


@dataclass(slots=True)
class Served:
    """What was ranked for one query. ``ranked``: catalogue rows, best first; ``offline``: the same without the
    online weights; ``sources``: the first rows of each source alone; ``rank_input`` in the order of retrieval,
    whose rows are ``candidates``.
    """

    ranked: Ranked
    offline: Rows
    sources: dict[str, Rows]
    candidates: Rows
    rank_input: RankInput


def query_of(journal: Journal, row: int, task: str, surface: str | None) -> Query:
    """The query that asks for event ``row``'s item just before it; what is left out is what ``task`` says."""
    had = [journal.items[i] for i in journal.had(row).tolist()]
    query = Query(
        time=int(journal.time[row]),
        request_id=f"evaluate-{journal.line[row]}",
        user_id=journal.users[journal.user[row]],
        text=journal.texts[journal.text[row]] if journal.text[row] >= 0 else "",
        limit=SHOWN,
    )
    if task == "repeat":
        query.candidates = had
        return query
    if task == "unseen":
        query.exclude = had
    before = journal.before(row, 200)
    if surface == "cart":
        basket = before[journal.together(np.full(len(before), row), before)]
        query.cart = [journal.items[i] for i in dict.fromkeys(journal.item[basket].tolist())]
    elif surface == "similar":
        query.item_id = journal.items[journal.item[before[0]]]
    return query


@dataclass(frozen=True, slots=True)
class Server:
    """What answers in an evaluation: one partition of a deployment."""

    store: Store
    models: Models
    plans: PlanChoice
    deployment: Deployment

    async def serve(self, query: Query, *, alone: bool) -> Served:
        """Answer one query as a worker would, short of exploration; ``alone``: ask each source on its own too."""
        models, plan = self.models, self.plans.plan_for(query)
        prepared = await run_steps(self._prepared(query, plan), self.store.read)
        ask, candidates, one = prepared.asks[0], prepared.candidates[0], prepared.inputs[0]
        (offline,) = models.score([one], [plan.own_arm])
        ranked = in_order(query, ask, candidates, one, offline, models, plan)
        before = in_order(query, ask, candidates, one, offline, models, replace(plan, online=False))
        sources: dict[str, Rows] = {}
        if alone:
            givers = [SOURCES[name] for name in plan.sources if ask.query.surface in SOURCES[name].surfaces]
            sources = {
                source.name: candidates_of(source, ask, models.catalogue, EACH, models.tower).rows for source in givers
            }
        return Served(ranked, before.candidates.rows, sources, candidates.rows, one)

    def _prepared(self, query: Query, plan: Plan) -> Generator[list[bytes], list[bytes | None], Prepared]:
        asks, _ = yield from know([query], [plan], 0, self.models, self.deployment)
        return (yield from prepare(asks, [plan], self.models, self.deployment.partitions))


def feedback(served: Served, item_id: str, catalogue: Catalogue, offset: int) -> Record | None:
    """The event as a click on the list just served, as a record of the feedback topic; None: it was not shown."""
    ranked = served.ranked
    query = ranked.query
    user = query.user_id or ""
    shown = StoredImpression(
        request_id=query.request_id,
        user_id=user,
        time=query.time,
        surface=ranked.ask.query.surface,
        arm=ranked.plan.arm,
        text=query.text,
        items=[catalogue.ids[row] for row in ranked.candidates.rows[:SHOWN].tolist()],
        propensities=[1.0] * min(len(ranked.score), SHOWN),
        features=ranked.features[:SHOWN],
        offline=ranked.offline[:SHOWN],
        weights_version=ranked.weights.version,
        artifact=ranked.ranker.version,
    )
    click = Click(
        event_id=query.request_id, user_id=user, item_id=item_id, time=query.time, request_id=query.request_id
    )
    found = join([click], np.array([offset]), {query.request_id: shown}, 0, 0, 0)
    return Record(None, encode_feedback(found[0]), offset, query.time) if found else None
