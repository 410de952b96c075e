"""`streamrank publish LOG`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, run

if TYPE_CHECKING:
    from streams.offline.publishing.publish_log import Summary


class Speed(click.ParamType):
    """`max`, or how many times faster than real time."""

    name = "max|N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """None for `max`."""
        if value == "max":
            return None
        try:
            speed = float(str(value))
        except ValueError:
            speed = 0.0
        if not 0 < speed < 1e9:
            self.fail(f"{value!r}: expected max, or a number above 0 (60: an hour in a minute)", param, ctx)
        return speed


@click.command()
@click.argument("log", type=click.Path(dir_okay=False))
@click.option("--speed", type=Speed(), default="max", help="max (default), or N times real time.")
@click.option("--end-now", is_flag=True, help="Shift the log's times so that it ends now.")
@click.option("--wait/--no-wait", default=True, help="Wait until the catalogue has the items (default).")
@click.option("--patience", default=60.0, show_default=True, help="Give up after so many seconds without an item.")
@click.option("--strict", is_flag=True, help="Send nothing if an event has a field that no event has (txt for text).")
@json_option
def command(
    log: str, speed: float | None, end_now: bool, wait: bool, patience: float, strict: bool, as_json: bool
) -> None:
    """Publish an event log (.jsonl, .jsonl.gz): items first, then the rest in time order.

    \b
    Example: streamrank publish shop.jsonl.gz --end-now
    """
    from streams.cli.progress import stages
    from streams.offline.publishing.publish_log import publish_log
    from streams.settings import load

    settings = load()
    with stages(quiet=as_json) as progress:
        summary = run(
            publish_log(
                log,
                settings,
                speed=speed,
                end_now=end_now,
                wait=wait,
                patience=patience,
                strict=strict,
                progress=progress,
            )
        )
    if as_json:
        echo_json(summary)
        return
    click.echo(describe(summary))


def describe(summary: Summary) -> str:
    """The summary in a line or two."""
    events = summary.behaviors + summary.queries
    seconds = summary.seconds.get("events", 0.0)
    rate = f" ({events / seconds:,.0f}/s)" if seconds else ""
    lines = [
        f"{summary.items:,} items, {summary.behaviors:,} behaviour events and {summary.queries:,} queries "
        f"published in {sum(summary.seconds.values()):.1f} s{rate}"
    ]
    if summary.broken:
        lines.append(f"{summary.broken:,} broken lines sent as they are: see `consume --topic dead-letters`")
    if summary.refused:
        lines.append(f"{summary.refused:,} items refused: see `consume --topic dead-letters`")
    if summary.skipped:
        lines.append(f"{summary.skipped:,} answers and dead letters in the log were left out")
    if summary.unsorted is not None:
        lines.append(f"the log was not sorted by time (line {summary.unsorted}): sorted before it was sent")
    return "\n".join(lines)
