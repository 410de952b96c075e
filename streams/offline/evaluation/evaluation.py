"""An evaluation from a log to its report: what is tested, the handlers' answers, the baselines' answers, figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints
from models.evaluate.baseline import TextCutters
from models.evaluate.baselines import BASELINES, Baselines
from models.evaluate.boosted import LIGHTGBM, Boosted
from models.evaluate.journal import Journal
from models.evaluate.report import EvaluationReport, report
from models.evaluate.results import Results
from models.evaluate.sample import drawn, eligible
from models.evaluate.strikes import UNDISTURBED, struck_at
from models.items.catalogue import Catalogue
from models.serving import Models
from models.text.words import normalise
from state.store import Store
from streamrank_client.errors import LogError, SettingsError
from streamrank_client.logs import Line, in_time_order
from streamrank_client.routing import Head, head
from streams.offline.evaluation import drills
from streams.offline.evaluation.lists import TENTHS, Lists, OwnRanker
from streams.offline.evaluation.prequential import FROZEN, NO_ONLINE, STREAMRANK, Course, Keep, Prequential
from streams.offline.evaluation.reading import read_journal
from streams.policy.plans import Plan, plan_of
from streams.settings import Settings
from streams.stores import open_store

#: called with a stage's name, what is done of it, and the whole
Stages = Callable[[str, int, int], None]
#: baselines that the handlers answer for
SERVED: Final = (NO_ONLINE, FROZEN)
NAMES: Final = (*SERVED, *BASELINES, LIGHTGBM)
#: compared unless others are named; those for searches where the log has any
COMPARE: Final = (*(name for name, kind in BASELINES.items() if not kind.searches), FROZEN, NO_ONLINE)
SEARCHES: Final = tuple(name for name, kind in BASELINES.items() if kind.searches)
#: events of the first half on which baselines choose their settings
TUNE: Final = 1_000


@dataclass(frozen=True)
class Options:
    """``task`` and ``surface``: which events are tested; ``tests``: at most so many, drawn by ``seed`` from the
    log's second half; ``until``: Unix ms, later lines are left out; ``compare``: named baselines;
    None: those of COMPARE, with searches those of SEARCHES too;
    ``frozen_at``: share of the events after which `frozen` learns nothing. ``train``: train the ranker on this log,
    on ``lists`` lists of its first half, and again every tenth on the tested ones too. ``drill``: a source that dies
    at three quarters of the log, or several, comma separated, or `tastes`, which turn over there.
    """

    task: str = "unseen"
    surface: str | None = None
    tests: int = 5_000
    seed: int = 0
    until: int | None = None
    compare: tuple[str, ...] | None = None
    frozen_at: float = 0.1
    train: bool = False
    lists: int = 15_000
    drill: str | None = None


async def evaluate(
    log: str, lines: Sequence[Line], settings: Settings, models: Models, redis: Sequence[str], options: Options,
    stages: Stages = lambda name, done, total: None, again: Models | None = None,
) -> EvaluationReport:  # fmt: skip
    """Evaluate on ``lines`` with ``models``, whose catalogue is empty.

    ``again``: such models too, with which the log is gone through without the drill, where a source dies; its answers
    are compared as `undisturbed`. ``redis``: URLs of three empty databases, the second for `frozen`, the third for
    that. Raises LogError where nothing can be tested, SettingsError on an unknown baseline or a database that holds
    anything.
    """
    check(options)
    plan = plan_of(settings)
    drills.check(options.drill, plan.sources)
    stages("reading", 0, len(lines))
    ordered = _until(in_time_order(lines), options.until)
    journal, queries = read_journal(ordered)
    if options.drill == drills.TASTES:
        ordered = drills.turn_over(ordered, journal, options.seed)
        journal, queries = read_journal(ordered)
    stages("reading", len(lines), len(lines))
    ok = eligible(journal, options.task, options.surface)
    tests = drawn(ok, 0.5, 1.0, options.tests, options.seed)
    if not len(tests):
        surface = f" on {options.surface}" if options.surface else ""
        raise LogError(f"'{log}': no event of task {options.task!r}{surface} in its second half: name another task")
    compare = _compared(options, searches=bool((journal.text[tests] >= 0).any()))
    keep = Keep(Lists() if LIGHTGBM in compare else None, _own(options, log, stages))
    frozen_at = int(journal.line[int(len(journal) * options.frozen_at)]) if FROZEN in compare else None
    lists = drawn(ok, 0.1, 0.5, options.lists if keep.lists or keep.own else 0, options.seed)
    struck = int(journal.line[struck_at(journal)])
    dies = (drills.dying(options.drill), struck) if drills.dying(options.drill) else None
    course = Course(journal, options.task, options.surface, tests, lists, frozen_at, dies)
    asked = _Asked(ordered, queries, settings, stages)
    results = await asked.of(course, models, redis[: 1 if frozen_at is None else 2], keep, "handlers")
    if dies is not None and again is not None:
        calm = replace(course, dies=None, frozen_at=None, alone=False)
        found = await asked.of(calm, again, redis[2:3], Keep(own=_own(options, log, stages)), UNDISTURBED)
        results.take(found, STREAMRANK, UNDISTURBED)
    if NO_ONLINE not in compare:
        results.drop(NO_ONLINE)
    if keep.lists is not None:
        cuts = [int(len(journal) * tenth) for tenth in TENTHS]
        boosted = Boosted(keep.lists.ranked(), options.seed)
        boosted.run(cuts, results, lambda done, total: stages(LIGHTGBM, done, total))
    tune = drawn(ok, 0.25, 0.5, TUNE, options.seed + 1)
    chosen = _baselines(journal, options.task, compare, models, tune, results, stages)
    settings_used = _settings(log, options, journal, models, plan) | chosen
    return report(
        log, journal, results, _vectors(journal, models.catalogue), settings_used, options.seed, options.drill
    )


def _own(options: Options, log: str, stages: Stages) -> OwnRanker | None:
    if not options.train:
        return None
    return OwnRanker(options.seed, log, lambda done, total: stages("training", done, total))


@dataclass(frozen=True)
class _Asked:
    """A log that is gone through, its queries left out."""

    lines: Sequence[Line]
    queries: set[int]
    settings: Settings
    stages: Stages

    async def of(self, course: Course, models: Models, redis: Sequence[str], keep: Keep, stage: str) -> Results:
        """The answers on a course, with ``models`` on empty databases."""
        async with AsyncExitStack() as stack:
            stores = await _stores(stack, redis, self.settings)
            prequential = Prequential(course, self.settings, models, stores, keep)
            results = await prequential.run(
                self.lines, self.queries, lambda done, total: self.stages(stage, done, total)
            )
        self.stages(stage, len(self.lines), len(self.lines))
        return results


def _compared(options: Options, searches: bool) -> tuple[str, ...]:
    """The baselines named, else those that fit the log."""
    if options.compare is not None:
        return options.compare
    return COMPARE + (SEARCHES if searches else ())


async def _stores(stack: AsyncExitStack, redis: Sequence[str], settings: Settings) -> list[Store]:
    """Empty databases, closed with ``stack``."""
    stores = [open_store(replace(settings, redis=url)) for url in redis]
    for store in stores:
        stack.push_async_callback(store.close)
        if not await store.empty():
            raise SettingsError("evaluate needs an empty Redis database: name another one, or flush it")
    return stores


def _baselines(
    journal: Journal, task: str, compare: Sequence[str], models: Models, tune: Ints, results: Results, stages: Stages
) -> dict[str, str]:
    """Let the baselines answer at the tested events; returns the settings that they chose, by name."""
    names = [name for name in compare if name in BASELINES]
    if not names:
        return {}
    baselines = Baselines(journal, task, names, TextCutters(normalise, models.words.tokens))
    total = len(tune) + len(results.rows)
    baselines.run(tune, results, lambda done, _: stages("baselines", done, total))
    stages("baselines", total, total)
    return baselines.chosen()


def check(options: Options) -> None:
    """Raise SettingsError on an unknown baseline, and where a package is missing that the options need."""
    for name in options.compare or ():
        if name not in NAMES:
            raise SettingsError(f"--compare: {name!r} is no baseline: name some of {', '.join(NAMES)}")
    if options.train and find_spec("torch") is None:
        raise SettingsError(
            "--train trains a network: install the extra `train` (in a checkout: make test-install), or leave it out"
        )
    if LIGHTGBM in (options.compare or ()) and find_spec("lightgbm") is None:
        raise SettingsError("--compare lightgbm needs the extra `bench`: pip install 'streamrank[bench]'")


def _until(lines: list[Line], until: int | None) -> list[Line]:
    if until is None:
        return lines
    return [line for line in lines if ((head(line.raw) or Head()).time or 0) <= until]


def _vectors(journal: Journal, catalogue: Catalogue) -> NDArray[np.float32]:
    compact = catalogue.compact
    rows = np.array([catalogue.row(item) for item in journal.items], np.int64)
    return np.where((rows >= 0)[:, None], compact[np.maximum(rows, 0)], np.float32(0))


def _settings(
    log: str, options: Options, journal: Journal, models: Models, plan: Plan
) -> dict[str, str | int | float | None]:
    return {
        "task": options.task,
        "surface": options.surface,
        "tests": options.tests,
        "seed": options.seed,
        "until": options.until,
        "frozen_at": options.frozen_at,
        "drill": options.drill,
        "events": len(journal),
        "users": len(journal.users),
        "items": len(journal.items),
        "sources": ",".join(plan.sources),
        "candidates": plan.candidates,
        "ranker": "trained on the log" if options.train else models.ranker.version,
        "ranker_source": log if options.train else models.ranker.artifact.manifest.created_from.get("source"),
        "lists": options.lists if options.train else None,
    }
