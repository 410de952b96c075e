"""What `import table` and `publish` share: options that say how a table is read, reading it, and telling what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from streams.cli.common import as_json, echo_json, moment

if TYPE_CHECKING:
    from streams.offline.importers.table.importing import TableEvents

__all__ = ["TableChoice", "describe", "dry_run", "read", "refusals", "summary", "table_options"]

#: first events that a dry run shows
FIRST: Final = 5
#: reasons for leaving rows out that are listed, the most frequent first
REASONS: Final = 10
#: spelled here too, so that --help stays fast; a test compares them with the library's
FORMATS: Final = ("google-merchant", "shopify", "woocommerce", "ga4")
KINDS: Final = "item, item_update, delete, query, or a kind of behaviour such as click or purchase"


class TableChoice(NamedTuple):
    """The options as they were given."""

    tag: str | None
    format: str | None
    maps: tuple[str, ...]
    delimiter: str | None
    encoding: str | None
    rows: str | None
    decimal: str
    time_format: str
    zone: tzinfo
    separator: str
    time: str | None


def _zone(ctx: click.Context, option: click.Parameter, name: str) -> tzinfo:
    """A time zone by its name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"{name!r}: no such time zone; name one such as Europe/Berlin") from None


def _delimiter(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """One character; tab may be written out."""
    delimiter = "\t" if text in ("tab", "\\t") else text
    if delimiter is not None and len(delimiter.encode()) != 1:
        raise click.BadParameter(f"{text!r}: expected one character, such as ; or tab")
    return delimiter


def _time_format(ctx: click.Context, option: click.Parameter, text: str) -> str:
    """A unit, iso, or a pattern."""
    if text not in ("iso", "s", "ms", "us") and "%" not in text:
        raise click.BadParameter(f"{text!r}: expected iso, s, ms, us, or a pattern such as '%d.%m.%Y %H:%M'")
    return text


OPTIONS: Final = (
    click.option("--as", "tag", help=f"What a row is: {KINDS}."),
    click.option("--format", type=click.Choice(FORMATS), help="An export that is known by name, instead of --as."),
    click.option("--map", "maps", multiple=True, help="field=Column,field=Column; attributes.NAME[:number] too."),
    click.option("--delimiter", callback=_delimiter, help="Of CSV: one character, or tab (default: found out)."),
    click.option("--encoding", help="Of CSV (default: by its byte order mark, else utf-8)."),
    click.option("--rows", help="Of JSON: the name of the list of rows, such as products."),
    click.option("--decimal", type=click.Choice([".", ","]), default=".", show_default=True, help="Decimal sign."),
    click.option(
        "--time-format",
        callback=_time_format,
        default="iso",
        show_default=True,
        help="iso, s, ms, us, or a pattern such as '%d.%m.%Y %H:%M'.",
    ),
    click.option(
        "--timezone", "zone", callback=_zone, default="UTC", show_default=True, help="Of times that name none."
    ),
    click.option("--separator", default=">", show_default=True, help="Between the levels of a category."),
    click.option("--time", help="When items without a time hold from (default: now)."),
)


def table_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say how a table is read; it gets them together, as ``choice``."""

    @wraps(command)
    def chosen(**given: Any) -> None:
        choice = TableChoice(**{name: given.pop(name) for name in TableChoice._fields})
        command(**given, choice=choice)

    for option in reversed(OPTIONS):
        chosen = option(chosen)
    return chosen


def read(files: Sequence[str], choice: TableChoice, *, quiet: bool) -> TableEvents:
    """Read the tables, with a bar for each. Raises LogError."""
    from streamrank_client.making import now
    from streams.cli.progress import steps
    from streams.offline.importers.table.files import Dialect
    from streams.offline.importers.table.importing import TableOptions, read_tables
    from streams.offline.importers.table.values import Notation

    time = moment(choice.time, "--time")
    options = TableOptions(
        tag=choice.tag,
        format=choice.format,
        time=now() if time is None else time,
        maps=choice.maps,
        dialect=Dialect(choice.delimiter, choice.encoding, choice.rows),
        notation=Notation(choice.decimal, choice.time_format, choice.zone, choice.separator),
    )
    with steps(quiet) as progress:
        return read_tables([Path(file) for file in files], options, progress)


def refusals(outcome: TableEvents) -> list[str]:
    """Lines on what gave no event, and on what was assumed."""
    lines = list(outcome.told)
    lines += [f"left out: {count:,} × {reason}" for reason, count in outcome.left_out.most_common(REASONS)]
    if len(outcome.left_out) > REASONS:
        lines.append(f"left out for {len(outcome.left_out) - REASONS:,} other reasons: --json has all")
    total = outcome.refused.total()
    if total:
        fields = ", ".join(f"{field or 'the whole row'} {count:,}" for field, count in outcome.refused.most_common())
        lines.append(f"refused: {total:,} {'row' if total == 1 else 'rows'} ({fields})")
    for file, row, field, column, message in outcome.refusals:
        where = " ".join(filter(None, (field, f"({column})" if column and column != field else "")))
        lines.append(f"  {file} row {row}: {where + ': ' if where else ''}{message}")
    if total > len(outcome.refusals):
        lines.append(f"  … and {total - len(outcome.refusals):,} more")
    return lines


def describe(outcome: TableEvents) -> str:
    """How many events there are of each kind."""
    counts = Counter(str(event.__struct_config__.tag) for event in outcome.events)
    each = (f"{count:,} {tag} {'event' if count == 1 else 'events'}" for tag, count in counts.most_common())
    return ", ".join(each) or "no events"


def summary(outcome: TableEvents) -> dict[str, object]:
    """The same for programs."""
    return {
        "events": dict(Counter(str(event.__struct_config__.tag) for event in outcome.events)),
        "refused": outcome.refused.total(),
        "refused_by_field": dict(outcome.refused),
        "refusals": [refusal._asdict() for refusal in outcome.refusals],
        "left_out": dict(outcome.left_out),
        "told": outcome.told,
    }


def dry_run(outcome: TableEvents, *, json: bool) -> None:
    """Show the first rows as events, and what would be refused."""
    first = outcome.first[:FIRST]
    if json:
        echo_json(summary(outcome) | {"first": first})
        return
    for event in first:
        click.echo(as_json(event))
    click.echo(f"would be: {describe(outcome)}")
    for line in refusals(outcome):
        click.echo(line)
