"""`streamrank publish LOG`, or a shop's tables."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from streams.cli.common import echo_json, json_option, run
from streams.cli.table_import import TableChoice, dry_run, read, refusals, summary, table_options

if TYPE_CHECKING:
    from streamrank_client.events import Event
    from streams.offline.importers.table.importing import TableEvents
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


class _Way(NamedTuple):
    """How a log is published, as ``publish_log`` takes it."""

    speed: float | None
    end_now: bool
    wait: bool
    patience: float
    strict: bool


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False), metavar="LOG|FILES")
@click.option("--speed", type=Speed(), default="max", help="max (default), or N times real time.")
@click.option("--end-now", is_flag=True, help="Shift the log's times so that it ends now.")
@click.option("--wait/--no-wait", default=True, help="Wait until the catalogue has the items (default).")
@click.option("--patience", default=60.0, show_default=True, help="Give up after so many seconds without an item.")
@click.option("--strict", is_flag=True, help="Send nothing of a log with a field that no event has (txt for text).")
@table_options
@click.option("--dry-run", "only_show", is_flag=True, help="Of tables: publish nothing, show what would be.")
@json_option
def command(
    files: tuple[str, ...],
    speed: float | None,
    end_now: bool,
    wait: bool,
    patience: float,
    strict: bool,
    only_show: bool,
    as_json: bool,
    choice: TableChoice,
) -> None:
    """Publish an event log (.jsonl, .jsonl.gz): items first, then the rest in time order.

    With --as or --format, FILES are tables, read as `streamrank import table` reads them. Rows that cannot be used
    are told, the others are published; the exit code is then 1.

    \b
    Example: streamrank publish shop.jsonl.gz --end-now
    """
    way = _Way(speed, end_now, wait, patience, strict)
    if choice.tag is None and choice.format is None:
        if len(files) > 1 or only_show:
            raise click.UsageError("several files, or --dry-run, are for tables: say --as item, or --format")
        if not files[0].endswith((".jsonl", ".jsonl.gz")):
            raise click.UsageError(
                f"'{files[0]}' is no log (.jsonl, .jsonl.gz): for a table say --as item, or --format"
            )
        _tell(_publish(files[0], way, quiet=as_json), None, as_json)
        return
    outcome = read(files, choice, quiet=as_json)
    if only_show:
        dry_run(outcome, json=as_json)
    else:
        done = _publish_events(outcome.events, way, quiet=as_json)
        _tell(done, outcome, as_json)
    if outcome.refused or not outcome.events:
        raise click.exceptions.Exit(1)


def _publish_events(events: list[Event], way: _Way, *, quiet: bool) -> Summary | None:
    """Publish events by way of a log that is gone afterwards; None where there are none."""
    from streams.offline.importers.log import write_log

    if not events:
        return None
    with TemporaryDirectory() as folder:
        log = Path(folder) / "tables.jsonl"
        write_log(events, log)
        return _publish(str(log), way, quiet=quiet)


def _publish(log: str, way: _Way, *, quiet: bool) -> Summary:
    from streams.cli.progress import stages
    from streams.offline.publishing.publish_log import publish_log
    from streams.settings import load

    settings = load()
    with stages(quiet) as progress:
        return run(
            publish_log(
                log,
                settings,
                speed=way.speed,
                end_now=way.end_now,
                wait=way.wait,
                patience=way.patience,
                strict=way.strict,
                progress=progress,
            )
        )


def _tell(done: Summary | None, outcome: TableEvents | None, as_json: bool) -> None:
    """Print what was published, and what of tables was not."""
    if as_json:
        tables = {"tables": summary(outcome)} if outcome is not None else {}
        echo_json((msgspec.to_builtins(done) if done is not None else {}) | tables)
        return
    click.echo(describe(done) if done is not None else "no events: nothing was published")
    for line in refusals(outcome) if outcome is not None else ():
        click.echo(line)


def describe(summary: Summary) -> str:
    """The summary in a line or two; how fast it was, where events were published.

    >>> from streams.offline.publishing.publish_log import Summary
    >>> describe(Summary(items=6, seconds={"items": 0.2, "events": 0.001}))
    '6 items, 0 behaviour events and 0 queries published in 0.2 s'
    >>> describe(Summary(behaviors=6, seconds={"events": 0.1}))
    '0 items, 6 behaviour events and 0 queries published in 0.1 s (60/s)'
    """
    events = summary.behaviors + summary.queries
    seconds = summary.seconds.get("events", 0.0)
    rate = f" ({events / seconds:,.0f}/s)" if seconds and events else ""
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
