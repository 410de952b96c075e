"""Rich tables of an evaluation's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from models.evaluate.bootstrap import Interval, RelativeDifference
from models.evaluate.report import EvaluationReport
from models.evaluate.strikes import Drill

if TYPE_CHECKING:
    from streams.offline.evaluation.counterfactual import OffPolicy

__all__ = ["off_policy_table", "tables"]


def tables(report: EvaluationReport) -> Iterator[Table]:
    """The metrics by system, retrieval, groups and their differences, time, and what became of a drill."""
    yield _metrics(report)
    yield _retrieval(report)
    yield _groups(report)
    if len(report.metrics["ndcg@10"]) > 1:
        yield _gains(report)
    yield _windows(report)
    if report.drill is not None:
        yield _drill(report.drill)


def off_policy_table(found: OffPolicy) -> Table:
    """What the ranker in place would have earned, by each estimator, beside what was earned."""
    title = (
        f"{found.log}: {found.answers:,} answers, {found.shown:,} items shown, the same at {found.agreement:.1%} of "
        f"the positions, effective sample size {found.effective:,.0f}"
    )
    table = _table(title, "estimate", "reward an item shown", "low", "high")
    for name, one in {"as logged": found.logged, **found.estimates}.items():
        table.add_row(name, f"{one.value:.5f}", f"{one.low:.5f}", f"{one.high:.5f}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), title_justify="left", show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _metrics(report: EvaluationReport) -> Table:
    systems = list(report.metrics["ndcg@10"])
    title = f"{report.log}: {report.tested:,} tested events, task {report.settings['task']}"
    table = _table(title, "", "NDCG@10", *list(report.metrics)[1:], "coverage", f"{systems[0]} over it, NDCG@10")
    for system in systems:
        first, *rest = (found[system] for found in report.metrics.values())
        gain = report.differences["ndcg@10"].get(system)
        cells = (f"{interval.mean:.4f}" for interval in rest)
        over = _difference(gain) if gain is not None else ""
        table.add_row(system, _interval(first), *cells, f"{report.coverage[system]:.3f}", over)
    if report.settings["lists"] is None:
        source = report.settings["ranker_source"] or "another log"
        told = f"ranked by {report.settings['ranker']}, which was trained on {source}; --train trains it on this log"
        table.caption, table.caption_justify = escape(told), "left"
    return table


def _retrieval(report: EvaluationReport) -> Table:
    table = _table("recall@100 of retrieval", "source", "all", *report.groups)
    for name, found in report.retrieval.items():
        table.add_row(name, _interval(found), *(f"{g.retrieval[name].mean:.3f}" for g in report.groups.values()))
    return table


def _groups(report: EvaluationReport) -> Table:
    systems = list(report.metrics["ndcg@10"])
    table = _table("NDCG@10 by group", "group", "tested", *systems)
    for name, group in report.groups.items():
        means = (f"{group.metrics['ndcg@10'][s].mean:.4f}" for s in systems)
        table.add_row(name, f"{group.tested:,}", *means)
    return table


def _gains(report: EvaluationReport) -> Table:
    first, *others = report.metrics["ndcg@10"]
    table = _table(f"{first} over each other, NDCG@10 by group", "group", *others)
    for name, group in report.groups.items():
        table.add_row(name, *(_over(group.differences["ndcg@10"], other) for other in others))
    return table


def _drill(drill: Drill) -> Table:
    """Before and after the strike; where alarms were raised, in tested events from it."""
    first, *others = drill.stretches[0].metrics
    title = f"NDCG@10 around the strike of {drill.name}, {_day(drill.struck)}"
    over = (f"{first} over {other}" for other in others)
    table = _table(title, "tested events from it", "feedbacks", first, *others, *over)
    for one in drill.stretches:
        means = (f"{interval.mean:.4f}" for interval in one.metrics.values())
        gains = (_over(one.differences, other) for other in others)
        table.add_row(f"{one.first:+,} to {one.last:+,}", f"{one.feedbacks:,}", *means, *gains)
    told = [f"drift alarm of {system}: {_places(places)} tested events" for system, places in drill.alarms.items()]
    told.append(f"drift alarm of a worker: {_places(drill.worker)} feedbacks")
    told += [f"{source} told to be silent: {_places(places)} feedbacks" for source, places in drill.silent.items()]
    table.caption, table.caption_justify = escape("from the strike: " + "; ".join(told)), "left"
    return table


def _places(places: Sequence[int]) -> str:
    return ", ".join(f"{place:+,}" for place in places) or "not raised in any of the"


def _over(gains: Mapping[str, RelativeDifference], other: str) -> str:
    return _difference(gains[other]) if other in gains else ""


def _windows(report: EvaluationReport) -> Table:
    systems = list(report.metrics["ndcg@10"])
    table = _table("NDCG@10 over time", "from", "tested", *systems)
    for window in report.windows:
        cells = (f"{window.metrics['ndcg@10'][s].mean:.4f}" for s in systems)
        table.add_row(_day(window.since), f"{window.tested:,}", *cells)
    told = {system: ", ".join(_day(time) for time in times) for system, times in report.alarms.items() if times}
    table.caption = escape("; ".join(f"drift alarm of {system}: {times}" for system, times in told.items())) or None
    table.caption_justify = "left"
    return table


def _interval(found: Interval) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _difference(found: RelativeDifference) -> str:
    return f"{found.relative:+.1%} [{found.low:+.1%}, {found.high:+.1%}]"


def _day(time: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}"
