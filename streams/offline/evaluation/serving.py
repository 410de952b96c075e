"""One tested event as a query to the handlers that serve: the only place of the evaluation that knows them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluate.journal import Journal
from models.ranking.ranker import RankInput
from models.retrieval.sources.registry import SOURCES
from models.retrieval.sources.base import candidates_of as search
from models.retrieval.candidates import SURFACES
from state.impressions import Impression
from state.store import Store
from streams.handlers.brain import Brain
from streamrank_client.events import Click, Query
from streams.handlers.feedback import encode_feedback, join
from streams.handlers.knowing import know
from streams.handlers.ranking import EACH, Prepared, Ranked, in_order, prepare
from streams.wire.messages import Record
from streams.policy.plans import Plan
from streams.handlers.steps import run_steps

#: positions of a list that count as shown when its event is learnt from
SHOWN: Final = 20

Rows = NDArray[np.int32]


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


async def serve(query: Query, store: Store, brain: Brain, *, alone: bool) -> Served:
    """Answer one query as a worker would, short of exploration; ``alone``: ask each source on its own too."""
    prepared: Prepared = await run_steps(_prepared(query, brain), store.read)
    ask, found, one = prepared.asks[0], prepared.candidates[0], prepared.inputs[0]
    plan = brain.plan_for(query)
    (offline,) = brain.score([one], [plan])
    ranked = in_order(query, ask, found, one, offline, brain, plan)
    before = in_order(query, ask, found, one, offline, brain, replace(plan, online=False))
    names = _givers(ask.query.surface, plan) if alone else ()
    sources = {name: search(SOURCES[name], ask, brain.catalogue, EACH).rows for name in names}
    return Served(ranked, before.candidates.rows, sources, found.rows, one)


def _givers(surface: str, plan: Plan) -> Sequence[str]:
    return [name for name in plan.sources if name in SURFACES[surface]]


def _prepared(query: Query, brain: Brain) -> Generator[list[bytes], list[bytes | None], Prepared]:
    asks, _ = yield from know([query], 0, "", brain)
    return (yield from prepare(asks, brain, [brain.plan_for(query)]))


def feedback(served: Served, item_id: str, brain: Brain, offset: int) -> Record | None:
    """The event as a click on the list just served, as a record of the feedback topic; None: it was not shown."""
    ranked = served.ranked
    query = ranked.query
    user = query.user_id or ""
    shown = Impression(
        request_id=query.request_id,
        user_id=user,
        time=query.time,
        surface=ranked.ask.query.surface,
        arm=ranked.plan.arm,
        text=query.text,
        items=[brain.catalogue.ids[row] for row in ranked.candidates.rows[:SHOWN].tolist()],
        propensities=[1.0] * min(len(ranked.score), SHOWN),
        features=ranked.features[:SHOWN],
        offline=ranked.offline[:SHOWN],
        weights_version=ranked.weights.version,
        artifact=brain.ranker_for(ranked.plan).version,
    )
    click = Click(
        event_id=query.request_id, user_id=user, item_id=item_id, time=query.time, request_id=query.request_id
    )
    found = join([click], np.array([offset]), {query.request_id: shown}, 0, 0)
    return (None, encode_feedback(found[0]), offset, query.time, ()) if found else None
