"""Rich tables of an evaluation's report."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from models.evaluate.bootstrap import Difference, Interval
from models.evaluate.report import Report

__all__ = ["tables"]


def tables(report: Report) -> Iterator[Table]:
    """The metrics by system, retrieval, groups, and time."""
    yield _metrics(report)
    yield _retrieval(report)
    yield _groups(report)
    yield _windows(report)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), title_justify="left", show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def _metrics(report: Report) -> Table:
    systems = list(report.metrics["ndcg@10"])
    title = f"{report.log}: {report.tested:,} tested events, task {report.settings['task']}"
    table = _table(title, "metric", *systems)
    for name, found in report.metrics.items():
        table.add_row(name, *(_interval(found[system]) for system in systems))
    table.add_row("coverage", *(f"{report.coverage[system]:.3f}" for system in systems))
    for name, gains in report.differences.items():
        cells = (_difference(gains[system]) if system in gains else "" for system in systems)
        table.add_row(f"{systems[0]} over it, {name}", *cells)
    return table


def _retrieval(report: Report) -> Table:
    table = _table("recall@100 of retrieval", "source", "all", *report.groups)
    for name, found in report.retrieval.items():
        table.add_row(name, _interval(found), *(f"{g.retrieval[name].mean:.3f}" for g in report.groups.values()))
    return table


def _groups(report: Report) -> Table:
    systems = list(report.metrics["ndcg@10"])
    table = _table("NDCG@10 by group", "group", "tested", *systems, *(f"over {s}" for s in systems[1:]))
    for name, group in report.groups.items():
        gains = group.differences["ndcg@10"]
        table.add_row(
            name, f"{group.tested:,}", *(f"{group.metrics['ndcg@10'][s].mean:.4f}" for s in systems),
            *(_difference(gains[s]) if s in gains else "" for s in systems[1:]),
        )  # fmt: skip
    return table


def _windows(report: Report) -> Table:
    systems = list(report.metrics["ndcg@10"])
    table = _table("NDCG@10 over time", "from", "tested", *systems)
    for window in report.windows:
        cells = (f"{window.metrics['ndcg@10'][s].mean:.4f}" for s in systems)
        table.add_row(_day(window.since), f"{window.tested:,}", *cells)
    return table


def _interval(found: Interval) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _difference(found: Difference) -> str:
    return f"{found.relative:+.1%} [{found.low:+.1%}, {found.high:+.1%}]"


def _day(time: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}"
