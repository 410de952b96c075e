"""The report of an experiment, as tables and sentences."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.experiments.comparison import METRICS, ArmDifference, RateEstimate
from streams.offline.experiments.report import ExperimentReport

__all__ = ["print_report"]


def print_report(found: ExperimentReport, out: Console) -> None:
    """Totals, rates and differences by arm; then what can be concluded, and what was left out."""
    times = " to ".join(_day(time) for time in (found.first, found.last) if time is not None)
    out.print(escape(f"{found.experiment}: answers from {times} UTC"))
    for table in (_totals(found), _metrics(found), _differences(found)):
        out.print(table)
    for line in found.conclusion:
        out.print(escape(line), soft_wrap=True)
    out.print(escape(_left_out(found)), style="dim", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=escape(title), title_justify="left", show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(escape(name), justify="right" if number else "left", overflow="fold")
    return table


def _totals(found: ExperimentReport) -> Table:
    table = _table("counted", "", *found.totals)
    for name in next(iter(found.totals.values())):
        table.add_row(name, *(f"{totals[name]:,.0f}" for totals in found.totals.values()))
    if found.shares is not None:
        table.add_row("share configured", *(f"{found.shares[arm]:.1%}" for arm in found.totals))
    if found.sample_ratio is not None:
        shown = f"p = {found.sample_ratio.p:.2g}, {'ALARM' if found.sample_ratio.alarm else 'as configured'}"
        table.add_row("sample ratio", shown)
    return table


def _metrics(found: ExperimentReport) -> Table:
    table = _table("rates, with 95 % intervals over users", "metric", *found.metrics)
    for name in METRICS:
        mark = " (primary)" if name == found.primary else ""
        table.add_row(name + mark, *(_estimate(metrics[name]) for metrics in found.metrics.values()))
    return table


def _differences(found: ExperimentReport) -> Table:
    table = _table(f"difference to {found.control}", "metric", *found.differences)
    for name in METRICS:
        table.add_row(name, *(_difference(d[name]) for d in found.differences.values()))
    table.add_row(f"verdict on {found.primary}", *(found.verdicts[arm] for arm in found.differences))
    return table


def _estimate(found: RateEstimate | None) -> str:
    return "–" if found is None else escape(f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]")


def _difference(found: ArmDifference | None) -> str:
    if found is None:
        return "–"
    if found.relative is None or found.relative_low is None or found.relative_high is None:
        return escape(f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}] p {found.p:.2g}")
    return escape(f"{found.relative:+.1%} [{found.relative_low:+.1%}, {found.relative_high:+.1%}] p {found.p:.2g}")


def _left_out(found: ExperimentReport) -> str:
    c = found.counted
    return (
        f"{c.answers:,} answers and {c.events:,} events counted; left out: {c.anonymous:,} answers to nobody known, "
        f"{c.repeated:,} that came again, {c.misplaced:,} events of another user, item or time than the answer they "
        f"name, {c.unmatched:,} whose answer is not there, {c.unreadable:,} unreadable"
    )


def _day(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}"
