"""What an evaluation reports: metrics by system with intervals, differences, groups and windows of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints, Mask
from models.evaluate import metrics
from models.evaluate.bootstrap import Draws, Interval, RelativeDifference
from models.evaluate.groups import groups, windows
from models.evaluate.journal import Journal
from models.evaluate.results import Results
from models.evaluate.strikes import Drill, drill
from models.learning.drift import alarms

#: the metrics that groups are told in; windows are told in the first
IN_GROUPS: Final = ("ndcg@10", "map@5", "recall@100")
Table = dict[str, dict[str, Interval]]
Gains = dict[str, dict[str, RelativeDifference]]


class Group(msgspec.Struct, frozen=True):
    """Some of the tested events: how many, and the figures over them."""

    tested: int
    metrics: Table
    differences: Gains
    retrieval: dict[str, Interval]


class TimeWindow(msgspec.Struct, frozen=True):
    """Tested events from time ``since`` to ``to``, Unix ms, and the mean NDCG@10 of each system over them."""

    since: int
    to: int
    tested: int
    metrics: Table


class EvaluationReport(msgspec.Struct, frozen=True):
    """The figures of one evaluation. ``metrics``: by metric and system; ``differences``: of the first system over
    each other one; ``retrieval``: recall@100 of each source alone, of their union and of the final candidates;
    ``coverage``: share of the catalogue in the first ten of any list, by system. ``alarms``: the times, Unix ms, at
    which the drift alarm was raised, by system that a worker could be. ``drill``: what became of one, if there was.
    """

    log: str
    tested: int
    metrics: Table
    differences: Gains
    retrieval: dict[str, Interval]
    coverage: dict[str, float]
    groups: dict[str, Group]
    windows: list[TimeWindow]
    alarms: dict[str, list[int]]
    settings: dict[str, str | int | float | None]
    drill: Drill | None = None


def report(
    log: str,
    journal: Journal,
    results: Results,
    vectors: NDArray[np.floating],
    settings: dict[str, str | int | float | None],
    seed: int = 0,
    struck_by: str | None = None,
) -> EvaluationReport:
    """Figures of ``results``, the first of whose systems is compared with the others.

    ``vectors`` (items, d): unit vectors for the lists' diversity, zeros where an item has none. ``struck_by``: the
    drill's name.
    """
    rows = results.rows
    draws = Draws(journal.user[rows], seed)
    everything = np.ones(len(rows), np.bool_)
    before = journal.item[: int(rows[0])] if len(rows) else journal.item
    counts = np.bincount(before, minlength=len(journal.items))
    table = _table(results, draws, everything, tuple(metrics.METRICS))
    table["novelty"] = {s: draws.mean(metrics.novelty(top, counts)) for s, top in results.tops.items()}
    table["diversity"] = {s: draws.mean(metrics.diversity(top, vectors)) for s, top in results.tops.items()}
    known = int(journal.known(int(rows[-1])).sum()) if len(rows) else 0
    return EvaluationReport(
        log=log,
        tested=len(rows),
        metrics=table,
        differences=_differences(results, draws, everything, tuple(metrics.METRICS)),
        retrieval=_retrieval(results, draws, everything),
        coverage={system: metrics.coverage(top, known) for system, top in results.tops.items()},
        groups={name: _group(results, draws, mask) for name, mask in groups(journal, rows).items()},
        windows=[_window(journal, results, draws, mask) for mask in windows(journal, rows)],
        alarms={s: journal.time[rows[_told(losses)]].tolist() for s, losses in results.losses.items()},
        settings=settings,
        drill=drill(struck_by, journal, results, seed) if struck_by is not None else None,
    )


def _told(losses: NDArray[np.float64]) -> Ints:
    return np.array(alarms(losses), np.int64)


def _table(results: Results, draws: Draws, among: Mask, names: Sequence[str]) -> Table:
    return {
        name: {system: draws.mean(metrics.METRICS[name](ranks), among) for system, ranks in results.ranks.items()}
        for name in names
    }


def _differences(results: Results, draws: Draws, among: Mask, names: Sequence[str]) -> Gains:
    systems = list(results.ranks)
    found: Gains = {}
    for name in names:
        value = metrics.METRICS[name]
        gains = {
            other: draws.gain(value(results.ranks[systems[0]]), value(results.ranks[other]), among)
            for other in systems[1:]
        }
        found[name] = {other: gain for other, gain in gains.items() if gain is not None}
    return found


def _retrieval(results: Results, draws: Draws, among: Mask) -> dict[str, Interval]:
    named = {source: ranks > 0 for source, ranks in results.sources.items()}
    if named:
        named["union"] = results.union()
    named["candidates"] = results.candidates
    return {name: draws.mean(found.astype(np.float64), among) for name, found in named.items()}


def _group(results: Results, draws: Draws, mask: Mask) -> Group:
    return Group(
        int(mask.sum()),
        _table(results, draws, mask, IN_GROUPS),
        _differences(results, draws, mask, IN_GROUPS),
        _retrieval(results, draws, mask),
    )


def _window(journal: Journal, results: Results, draws: Draws, mask: Mask) -> TimeWindow:
    times = journal.time[results.rows[mask]]
    since, to = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
    return TimeWindow(since, to, int(mask.sum()), _table(results, draws, mask, IN_GROUPS[:1]))
