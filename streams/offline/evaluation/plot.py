"""A report's NDCG@10 over time as an SVG: a line with its 95 % band for each system."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from models.evaluate.bootstrap import Interval
from models.evaluate.report import EvaluationReport, TimeWindow

METRIC: Final = "ndcg@10"
WIDTH: Final = 960
HEIGHT: Final = 480
LEFT: Final = 70
RIGHT: Final = 190
TOP: Final = 40
BOTTOM: Final = 50
#: told apart by those who do not see all colours (Okabe and Ito, "Color universal design", 2008)
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")


def plot(report: EvaluationReport) -> str:
    """The drawing. A window stands at the middle of its tested events."""
    windows = report.windows
    systems = list(report.metrics[METRIC])
    top = max((w.metrics[METRIC][s].high for w in windows for s in systems), default=0.0) or 1.0
    parts = [_frame(report, windows, top)]
    for number, system in enumerate(systems):
        line = [window.metrics[METRIC][system] for window in windows]
        parts.append(_system(system, line, top, number))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _x(place: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(count, 1)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _frame(report: EvaluationReport, windows: Sequence[TimeWindow], top: float) -> str:
    title = f"{METRIC.upper()} over time: {report.log}, {report.tested:,} tested events"
    parts = [f'<text x="{LEFT}" y="24">{escape(title)}</text>']
    for step in range(5):
        value = top * step / 4
        y = _y(value, top)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3f}</text>')
    for place, window in enumerate(windows):
        if place % max(len(windows) // 5, 1) == 0:
            day = datetime.fromtimestamp((window.since + window.to) / 2000, UTC).date().isoformat()
            x = _x(place, len(windows))
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{day}</text>')
    return "".join(parts)


def _system(name: str, line: Sequence[Interval], top: float, number: int) -> str:
    colour = COLOURS[number % len(COLOURS)]
    places = [_x(place, len(line)) for place in range(len(line))]
    middle = " ".join(f"{x:.1f},{_y(one.mean, top):.1f}" for x, one in zip(places, line, strict=True))
    above = [f"{x:.1f},{_y(one.high, top):.1f}" for x, one in zip(places, line, strict=True)]
    below = [f"{x:.1f},{_y(one.low, top):.1f}" for x, one in zip(places, line, strict=True)]
    key = TOP + 22 * number
    x = WIDTH - RIGHT + 16
    return (
        f'<polygon points="{" ".join(above + below[::-1])}" fill="{colour}" opacity="0.12"/>'
        f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<line x1="{x}" x2="{x + 20}" y1="{key}" y2="{key}" stroke="{colour}" stroke-width="3"/>'
        f'<text x="{x + 28}" y="{key + 4}">{escape(name)}</text>'
    )
