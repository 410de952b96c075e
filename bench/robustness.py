"""What one and two random edits of a text cost: accuracy of the intent, MAP@5 of search."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.ask import AskedText
from models.base.arrays import Doubles
from models.base.paths import DATA
from models.evaluate.bootstrap import Draws, Interval
from models.evaluate.edits import edited
from models.evaluate.journal import Journal
from models.evaluate.results import place_of
from models.evaluate.sample import drawn, eligible
from models.serving import Models
from state.store import Store
from streamrank_client.logs import Line, in_time_order
from streams.artifacts.opening import open_models
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.evaluation.prequential import Course, Prequential
from streams.offline.evaluation.reading import read_journal
from streams.offline.evaluation.serving import Server, query_of
from streams.offline.importers.best_buy import events
from streams.offline.servers import EmbeddedRedis
from streams.settings import Settings, load

EDITS: Final = (0, 1, 2)
#: each text is edited so often
TIMES: Final = 5
CUT: Final = 5


def measure(data: Path, tests: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Figures with 95 % intervals; ``data`` holds ``bestbuy_acm/``."""
    settings = load()
    ensure_encoders(settings)
    models = open_models(settings)
    found: dict[str, Any] = {"encoder": models.encoder.version, "intent": {}}
    for name in ("test", "unseen"):
        say(f"intent: {name}.csv")
        found["intent"][name] = _intent(models, DATA / "intent" / f"{name}.csv")
    found["search"] = _search(data / "bestbuy_acm", settings, models, tests, say)
    return found


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines."""
    lines = []
    groups = {**{f"intent {name}": own for name, own in figures["intent"].items()}, "search": figures["search"]}
    for name, own in groups.items():
        for edits in map(str, EDITS):
            one = own[edits]
            lines.append(f"{name}, {edits} edits: {one['mean']} [{one['low']}, {one['high']}]")
        lines.extend(f"{name}, one edit, {kind}: {value}" for kind, value in own["by_kind"].items())
    return lines


def _intent(models: Models, path: Path) -> dict[str, Any]:
    """Accuracy on a labelled file, `unknown` counted as wrong; intervals over its texts.

    Texts are understood as by a worker that has just started: no catalogue and no known queries to correct them by.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    rng, right, kinds = np.random.default_rng(0), {}, []
    for edits in EDITS:
        scores = np.zeros((len(rows), TIMES if edits else 1))
        for n, (text, label) in enumerate(rows):
            for time in range(scores.shape[1]):
                changed, made = edited(text, edits, rng)
                (text_,) = models.understand([AskedText(changed)])
                scores[n, time] = text_.meant is not None and text_.meant[0] == label
                kinds += [(made[0], scores[n, time])] if len(made) == 1 else []
        right[edits] = scores.mean(axis=1)
    return _figures(right, np.arange(len(rows)), kinds)


def _search(folder: Path, settings: Settings, models: Models, tests: int, say: Callable[[str], None]) -> dict[str, Any]:
    """MAP@5 of the product clicked, through the handlers that serve; intervals over users."""
    lines = in_time_order([Line(n, msgspec.json.encode(one)) for n, one in enumerate(events(folder), 1)])
    journal, queries = read_journal(lines)
    searched = eligible(journal, "all", None) & (journal.text >= 0)
    course = Course(journal, "all", None, drawn(searched, 0.5, 1.0, tests, 0), np.zeros(0, np.int64))
    asked = _Edited(course, settings, models)

    def told(done: int, total: int) -> None:
        if done % 10_000 == 0:
            say(f"search: {done} of {total} lines")

    with EmbeddedRedis() as redis:
        asyncio.run(asked.ask(redis.redis, settings, lines, queries, told))
    return _figures(asked.scores, journal.user[course.tests], asked.kinds)


class _Edited:
    """A log through the handlers; each tested search is asked clean, and several times with one edit and with two."""

    def __init__(self, course: Course, settings: Settings, models: Models) -> None:
        self.course, self.settings, self.models = course, settings, models
        self.scores: dict[int, Doubles] = {edits: np.zeros(len(course.tests)) for edits in EDITS}
        self.kinds: list[tuple[str, float]] = []
        self._rng = np.random.default_rng(0)

    async def ask(
        self, redis: str, settings: Settings, lines: list[Line], queries: set[int], told: Callable[[int, int], None]
    ) -> None:
        """Run the log; nothing is learnt from the edited queries."""
        store = Store(redis, settings.redis_timeout_s, settings.redis_ca)
        try:
            await _Asking(self, store).run(lines, queries, told)
        finally:
            await store.close()

    async def test(self, test: int, journal: Journal, server: Server) -> None:
        """Ask for one tested event in each way."""
        row = int(self.course.tests[test])
        target = self.models.catalogue.row(journal.items[journal.item[row]])
        query = query_of(journal, row, "all", None)
        for edits in EDITS:
            scores = []
            for _ in range(TIMES if edits else 1):
                text, kinds = edited(query.text, edits, self._rng)
                served = await server.serve(msgspec.structs.replace(query, text=text), alone=False)
                place = place_of(served.ranked.candidates.rows, target)
                scores.append(1 / place if 0 < place <= CUT else 0.0)
                self.kinds += [(kinds[0], scores[-1])] if len(kinds) == 1 else []
            self.scores[edits][test] = np.mean(scores)


class _Asking(Prequential):
    def __init__(self, edited_: _Edited, store: Store) -> None:
        super().__init__(edited_.course, edited_.settings, edited_.models, [store])
        self._edited = edited_

    async def _test(self, test: int) -> None:
        await self.replay.flush()
        await self._edited.test(test, self.course.journal, self._server(self.store, self.tables.models))
        await super()._test(test)


def _figures(scores: dict[int, Doubles], groups: NDArray[np.integer], kinds: list[tuple[str, float]]) -> dict[str, Any]:
    """Means and intervals by number of edits, what is lost as a share of the clean figure, means by kind of edit."""
    draws = Draws(groups)
    found: dict[str, Any] = {"tested": len(groups)}
    for edits, values in scores.items():
        found[str(edits)] = _rounded(draws.mean(values))
        gain = draws.gain(values, scores[0]) if edits else None
        if gain is not None:
            found[str(edits)]["lost"] = _rounded(Interval(-gain.relative, -gain.high, -gain.low))
    by_kind = {name: [value for kind, value in kinds if kind == name] for name in sorted({kind for kind, _ in kinds})}
    found["by_kind"] = {name: round(float(np.mean(values)), 4) for name, values in by_kind.items()}
    return found


def _rounded(interval: Interval) -> dict[str, Any]:
    return {name: round(getattr(interval, name), 4) for name in ("mean", "low", "high")}
