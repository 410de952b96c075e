"""Rankings to train on: a log through the handlers, with a list ranked before each sampled choice is learnt from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from models.base.arrays import Floats
from models.features.registry import GROUPS
from models.ranking.ranker import Explanation, RankInput
from models.serving import Models
from models.training.rankings import Rankings, RankingsError, RankingsWriter
from state.store import Store
from streamrank_client.events import CHOICES, ItemEvent, Purchase, Query, decode_behavior, decode_query
from streamrank_client.logs import Line, in_time_order
from streamrank_client.routing import head
from streamrank_client.vocabulary import key
from streams.artifacts.tables import Tables
from streams.handlers.knowing import know
from streams.handlers.ranking import Prepared, prepare
from streams.handlers.steps import run_steps
from streams.offline.building.chosen_answers import ChosenItems
from streams.offline.replay import Replay
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.stores import open_store

#: most words of a made-up query
WORDS: Final = 3


@dataclass(slots=True)
class LoggedLists:
    """Which rankings are logged: ``lists`` at most, drawn by ``seed`` from the choices after the first
    ``warm`` share of the log; ``searches``: share of them that are searches.

    A log without query texts has no searches to learn from. Then some words of the chosen item's title and
    category make the text, half of them by meaning alone (no words in common), as a query in another language.

    With ``chosen``, what was chosen of recorded answers by request id, the log's own queries are ranked instead, those
    in whose answers something was chosen.
    """

    lists: int = 15_000
    searches: float = 0.3
    warm: float = 0.2
    seed: int = 0
    chosen: Mapping[str, ChosenItems] | None = None


@dataclass(frozen=True, slots=True)
class _Server:
    """What prepares lists: one partition of a deployment."""

    store: Store
    tables: Tables
    plans: PlanChoice
    deployment: Deployment


async def log_rankings(
    lines: Iterable[Line],
    settings: Settings,
    redis: str,
    models: Models,
    plan: LoggedLists,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Rankings, RankingsWriter]:
    """Replay a log into the empty Redis at ``redis`` and log rankings of sampled choices on the way.

    ``progress(done, total)`` counts lines. Raises RankingsError when no list held what was then chosen.
    """
    # one partition: the same state in an eighth of the transactions
    settings = replace(settings, partitions=1)
    ordered = in_time_order(lines)
    chosen = _sample(ordered, plan)
    if not chosen:
        missing = "click, add_to_cart, purchase or rating" if plan.chosen is None else "query whose answer it holds"
        raise RankingsError(f"No rankings: the log holds no {missing} to learn from.", "name another log.")
    writer = RankingsWriter()
    store = open_store(replace(settings, redis=redis))
    rng = np.random.default_rng(plan.seed)
    try:
        tables = Tables(models)
        replay = Replay(settings, store, tables, lambda _: None, lambda _: None)
        server = _Server(store, tables, PlanChoice.of(settings), Deployment.of(settings))
        for number, line in enumerate(ordered):
            if number in chosen:
                await replay.flush()
                if plan.chosen is not None:
                    await _log_answered(line, plan.chosen, server, writer)
                else:
                    await _log_one(line, server, writer, plan, rng)
            await replay.feed(line.raw)
            if progress and number % 500 == 0:
                progress(number, len(ordered))
        await replay.flush()
    finally:
        await store.close()
    return writer.rankings(), writer


def _sample(lines: Sequence[Line], plan: LoggedLists) -> set[int]:
    """Places in ``lines`` of the sampled choices, or of queries in whose answers something was chosen."""
    tags = {kind.__struct_config__.tag for kind in CHOICES} if plan.chosen is None else {"query"}
    places = [
        n
        for n, line in enumerate(lines)
        if (h := head(line.raw)) is not None
        and h.event in tags
        and (plan.chosen is None or h.request_id in plan.chosen)
    ]
    places = places[int(len(places) * plan.warm) :]
    if len(places) <= plan.lists:
        return set(places)
    drawn = np.random.default_rng(plan.seed).choice(len(places), plan.lists, replace=False)
    return {places[n] for n in drawn.tolist()}


async def _log_one(
    line: Line, server: _Server, writer: RankingsWriter, plan: LoggedLists, rng: np.random.Generator
) -> None:
    """What a home feed, or a search for it, would have given just before this choice."""
    event = decode_behavior(line.raw)
    models = server.tables.models
    row = models.catalogue.row(event.item_id) if isinstance(event, ItemEvent) else -1
    if not isinstance(event, ItemEvent) or row < 0 or not models.catalogue.recommendable[row]:
        return
    text, by_meaning = _text(event, row, models, plan, rng)
    query = Query(time=event.time, request_id=event.event_id, user_id=event.user_id, text=text)
    await _write(query, [row], 1.0, server, writer, by_meaning)


async def _log_answered(line: Line, chosen: Mapping[str, ChosenItems], server: _Server, writer: RankingsWriter) -> None:
    """What a query of the log gives now, with what was chosen of its recorded answer."""
    query = decode_query(line.raw)
    own = chosen[query.request_id]
    rows = [server.tables.models.catalogue.row(item) for item in own.items]
    await _write(query, rows, own.weight, server, writer)


async def _write(
    query: Query,
    rows: Sequence[int],
    weight: float,
    server: _Server,
    writer: RankingsWriter,
    by_meaning: bool = False,
) -> None:
    """Rank what is found for a query, and write the list with the candidates at these catalogue rows as chosen."""
    found = await run_steps(_prepared(query, server, by_meaning), server.store.read)
    one: RankInput = found.inputs[0]
    targets = np.flatnonzero(np.isin(found.candidates[0].rows, [row for row in rows if row >= 0])).tolist()
    surface, user = found.asks[0].query.surface, key(query.key) >> 1
    writer.add(
        one.features, one.candidates, one.recent, one.recent_weight, targets, query.time, surface, user, weight
    )  # fmt: skip


def _prepared(query: Query, server: _Server, by_meaning: bool) -> Generator[list[bytes], list[bytes | None], Prepared]:
    models, plans = server.tables.models, [server.plans.plan]
    asks, _ = yield from know([query], plans, 0, models, server.deployment)
    if by_meaning:
        asks = [replace(ask, text=replace(ask.text, tokens=())) for ask in asks]
    return (yield from prepare(asks, plans, models, server.deployment.partitions))


def _text(event: ItemEvent, row: int, models: Models, plan: LoggedLists, rng: np.random.Generator) -> tuple[str, bool]:
    """The event's own query text, or a made-up one, or none; and whether it is to be matched by meaning alone."""
    if event.query:
        return event.query, False
    if not isinstance(event, Purchase) or rng.random() >= plan.searches:
        return "", False
    catalogue = models.catalogue
    paths = catalogue.categories.paths
    leaf = paths[catalogue.category[row]][-1:] if catalogue.category[row] >= 0 else ()
    words = models.words.tokens(" ".join([catalogue.titles[row], *leaf]))
    words = [w for w in dict.fromkeys(words) if not any(c.isdigit() for c in w)]
    if not words:
        return "", False
    size = int(rng.integers(1, min(WORDS, len(words)) + 1))
    picked = np.sort(rng.choice(min(len(words), 5), min(size, 5, len(words)), replace=False))
    return " ".join(words[n] for n in picked.tolist()), bool(rng.random() < 0.5)


class Unranked:
    """Stands in for a ranker where only candidates and features are wanted: all scores are 0."""

    version = ""
    provider = "none"
    warning = ""

    def score(self, batch: Sequence[RankInput]) -> list[Floats]:
        """Zeros (n,) for each list."""
        return [np.zeros(len(one.features), np.float32) for one in batch]

    def knows(self, source: str) -> bool:
        """Nothing needs to be added for any source."""
        return True

    def explain(self, one: RankInput, served: Floats | None = None) -> Explanation:
        """No group of features adds anything: a log may hold queries that ask for reasons."""
        return Explanation(0.0, tuple(GROUPS), np.zeros((len(one.features), len(GROUPS))))
