"""Prequential evaluation: each tested event is asked for before the handlers get it.

Nothing is learnt from an event before its list is ranked; then the list counts as shown, the event as a click on
it, and both take the ways that they take in serving. The state is a worker's with one partition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from models.base.arrays import Ints, Rows
from models.evaluate.journal import Journal
from models.evaluate.results import TOP, Results, place_of
from models.learning.drift import Watch
from models.learning.loss import loss, usual_place
from models.ranking.weights import OnlineWeights
from models.serving import Models
from state.store import Store
from streamrank_client.logs import Line
from streamrank_client.routing import head
from streams.artifacts.tables import Tables
from streams.handlers.learning import observe
from streams.offline.evaluation.lists import TENTHS, Lists, OwnRanker
from streams.offline.evaluation.serving import Served, Server, feedback, query_of
from streams.offline.replay import Replay
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.wire.feedback import decode_feedback

STREAMRANK: Final = "streamrank"
NO_ONLINE: Final = "no-online"
FROZEN: Final = "frozen"
LineProgress = Callable[[int, int], None]


@dataclass
class Course:
    """What is asked on the way through a log: ``tests``, places in the journal whose answers count; ``lists``:
    places whose lists are only kept, to train on; ``frozen_at``: the line from which the frozen state learns
    nothing more (None: there is none); ``dies``: sources, and the line from which they are silent; ``alone``: each
    source is asked on its own too, for its recall.
    """

    journal: Journal
    task: str
    surface: str | None
    tests: Ints
    lists: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    frozen_at: int | None = None
    dies: tuple[Sequence[str], int] | None = None
    alone: bool = True


@dataclass
class Keep:
    """Who keeps the lists: ``lists`` for rankers trained afterwards, ``own`` for the ranker trained on the way."""

    lists: Lists | None = None
    own: OwnRanker | None = None


class Prequential:
    """Feeds a log to the handlers and asks at the course's events."""

    def __init__(
        self,
        course: Course,
        settings: Settings,
        models: Models,
        stores: Sequence[Store],
        keep: Keep | None = None,
    ) -> None:
        """``models``: with an empty catalogue, which the evaluation fills; ``stores``: of the live state; a second
        one, of the frozen state.
        """
        self.course, self.store = course, stores[0]
        self.tables = Tables(models)
        self.results = Results.empty(course.tests)
        self._keep = keep or Keep()
        settings = replace(settings, partitions=1)
        self._deployment = Deployment.of(settings)
        self._plans = PlanChoice.of(settings)
        self.replay = _replay(settings, self.store, self.tables)
        self._frozen_store = frozen = stores[1] if len(stores) > 1 else None
        self._frozen = _replay(settings, frozen, self.tables) if frozen is not None else None
        self._frozen_weights: dict[str, OnlineWeights] = {}
        self._numbers = {item: n for n, item in enumerate(course.journal.items)}
        self._learnt = 0
        self._watches: dict[str, Watch] = {}

    async def run(self, lines: Sequence[Line], queries: set[int], progress: LineProgress | None = None) -> Results:
        """The whole log, ordered by time, but for its own ``queries``. ``progress(lines done, lines)``."""
        journal = self.course.journal
        tests = {int(journal.line[row]): test for test, row in enumerate(self.course.tests)}
        lists = {int(journal.line[row]): int(row) for row in self.course.lists}
        stop = self.course.frozen_at or 0
        train = {int(journal.line[int(len(journal) * tenth)]) for tenth in TENTHS} if self._keep.own else set()
        for place, line in enumerate(lines):
            if place in queries:
                continue
            if self.course.dies is not None and place == self.course.dies[1]:
                self._silence(self.course.dies[0])
            if place in train and self._keep.own is not None:
                self.tables.models = replace(self.tables.models, ranker=self._keep.own.train())
            if place in tests:
                await self._test(tests[place])
            elif place in lists:
                await self.replay.flush()
                self._kept(lists[place], await self._serve(lists[place], alone=False))
            await self.replay.feed(line.raw)
            if self._frozen is not None and place < stop:
                await self._feed_frozen(line)
            elif self._frozen is not None and place == stop:
                await self._freeze()
            if progress and place % 500 == 0:
                progress(place, len(lines))
        await self.replay.flush()
        return self.results

    def _silence(self, sources: Sequence[str]) -> None:
        plan = self._plans.plan
        plan = replace(plan, sources=tuple(name for name in plan.sources if name not in sources))
        self._plans = replace(self._plans, plan=plan)

    async def _serve(self, row: int, alone: bool) -> Served:
        query = query_of(self.course.journal, row, self.course.task, self.course.surface)
        return await self._server(self.store, self.tables.models).serve(query, alone=alone)

    def _server(self, store: Store, models: Models) -> Server:
        return Server(store, models, self._plans, self._deployment)

    async def _test(self, test: int) -> None:
        await self.replay.flush()
        journal, results = self.course.journal, self.results
        row = int(self.course.tests[test])
        item = journal.items[journal.item[row]]
        target = self.tables.models.catalogue.row(item)
        served = await self._serve(row, alone=self.course.alone)
        rows = served.ranked.candidates.rows
        self._put(STREAMRANK, test, served, rows, target)
        self._put(NO_ONLINE, test, served, served.offline, target)
        for source, found in served.sources.items():
            results.put_source(source, test, place_of(found, target))
        results.candidates[test] = bool((rows == target).any())
        if self._frozen_store is not None:
            await self._ask_frozen(test, row, target)
        self._kept(row, served)
        await self._learn(served, item, test)

    async def _learn(self, served: Served, item: str, test: int) -> None:
        record = feedback(served, item, self.tables.models.catalogue, self._learnt)
        if record is not None and record.value is not None:
            shown = decode_feedback(record.value)
            raised, silent = observe(shown, self._watches.setdefault(shown.surface, Watch()))
            if raised:
                self.results.told.append(test)
            for source in silent:
                self.results.silent.setdefault(source, []).append(test)
            self._learnt += 1
            await self.replay.handle(self._deployment.topics.feedback.name, [(0, record)])
            await self.replay.flush()

    def _kept(self, row: int, served: Served) -> None:
        journal = self.course.journal
        target = self.tables.models.catalogue.row(journal.items[journal.item[row]])
        if self._keep.own is not None:
            self._keep.own.add(served, target, int(journal.time[row]), int(journal.user[row]))
        if self._keep.lists is not None:
            items = self._items(served.candidates, len(served.candidates))
            place = place_of(served.candidates, target) - 1
            self._keep.lists.add(row, served.rank_input.features, items, place)

    def _items(self, rows: Rows, most: int = TOP) -> Ints:
        ids = self.tables.models.catalogue.ids
        return np.array([self._numbers[ids[row]] for row in rows[:most].tolist()], np.int64)

    # ---- the frozen state

    async def _feed_frozen(self, line: Line) -> None:
        found = head(line.raw)
        if found is not None and found.event in ("item", "item_update", "delete"):
            return  # the catalogue is shared, and goes on
        assert self._frozen is not None
        await self._frozen.feed(line.raw)

    async def _freeze(self) -> None:
        assert self._frozen is not None
        await self._frozen.flush()
        self._frozen_weights = dict(self.tables.models.weights)

    async def _ask_frozen(self, test: int, row: int, target: int) -> None:
        assert self._frozen_store is not None
        query = query_of(self.course.journal, row, self.course.task, self.course.surface)
        then = replace(self.tables.models, weights=self._frozen_weights)
        served = await self._server(self._frozen_store, then).serve(query, alone=False)
        self._put(FROZEN, test, served, served.ranked.candidates.rows, target)

    def _put(self, system: str, test: int, served: Served, rows: Rows, target: int) -> None:
        """What a system answered: ``rows``, an order of the items that were ranked."""
        place, among = place_of(rows, target), place_of(served.ranked.candidates.rows, target)
        usual = usual_place(served.ranked.features, among - 1) if among else 0.0
        self.results.put(system, test, place, self._items(rows), loss(place, usual))


def _replay(settings: Settings, store: Store, tables: Tables) -> Replay:
    return Replay(settings, store, tables, lambda _: None, lambda _: None)
