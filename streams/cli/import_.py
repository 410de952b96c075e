"""`streamrank import table|DATASET`: a shop's own files, or a public data set, as an event log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option
from streams.cli.table_import import TableChoice, describe, dry_run, read, refusals, summary, table_options

if TYPE_CHECKING:
    from streams.offline.importers.base import Importer


class Weeks(click.ParamType):
    """`A-B`, two weeks, both included."""

    name = "A-B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        first, dash, last = str(value).partition("-")
        if not (first.isdigit() and (last if dash else first).isdigit()):
            self.fail(f"{value!r}: expected A-B, for example 1-8", param, ctx)
        return int(first), int(last if dash else first)


class Imports(click.Group):
    """`table`, and a command for each data set; installed packages may add some."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The table first."""
        from streams.offline.importers.registry import IMPORTERS

        return ["table", *IMPORTERS]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        from streams.offline.importers.registry import IMPORTERS

        return table if name == "table" else dataset(IMPORTERS[name]) if name in IMPORTERS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a wrong name is told what there is."""
        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"{args[0]!r} is none of {', '.join(self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


@click.group(cls=Imports)
def command() -> None:
    """Turn a shop's own files, or a public data set, into an event log.

    \b
    Example: streamrank import table products.csv -o products.jsonl --as item --map item_id=SKU,title=Name
    """


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False))
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The log (.jsonl, .jsonl.gz).")
@table_options
@click.option("--dry-run", "only_show", is_flag=True, help="Write nothing: show events, and what would be refused.")
@json_option
def table(files: tuple[str, ...], output: str | None, only_show: bool, as_json: bool, choice: TableChoice) -> None:
    """Turn tables into an event log: CSV, TSV, Parquet, JSON, JSON Lines or XML, perhaps packed (.gz).

    Columns that are named like fields are taken; --map names the others. A row that cannot be used is refused, told
    with its number, and the rest goes on; the exit code is then 1. The log is written whole or not at all.

    \b
    Example: streamrank import table orders.csv -o orders.jsonl --as purchase --map user_id=Customer,item_id=SKU
    """
    from streams.offline.importers.log import check_name, write_log

    if output is not None:
        check_name(Path(output))
    elif not only_show:
        raise click.UsageError("Missing option '-o' / '--output': the log to be written (or --dry-run)")
    outcome = read(files, choice, quiet=as_json)
    if only_show:
        dry_run(outcome, json=as_json)
    else:
        if outcome.events:
            write_log(outcome.events, Path(str(output)))
        if as_json:
            echo_json({"log": output if outcome.events else None} | summary(outcome))
        else:
            click.echo(f"{output}: {describe(outcome)}" if outcome.events else "no events: nothing was written")
            for line in refusals(outcome):
                click.echo(line)
    if outcome.refused or not outcome.events:
        raise click.exceptions.Exit(1)


def dataset(importer: Importer) -> click.Command:
    """The command of a data set."""

    @click.command(importer.name, help=_help(importer))
    @click.argument("path", type=click.Path(file_okay=False), required=False)
    @click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The log (.jsonl, .jsonl.gz).")
    @click.option("--weeks", type=Weeks(), help="Only these weeks, where the data set has them.")
    @click.option("--keep-order", is_flag=True, help="Keep a basket's lines in file order (else they are shuffled).")
    @click.option("--seed", default=0, show_default=True, help="Seed of that shuffling.")
    @json_option
    def imported(
        path: str | None, output: str, weeks: tuple[int, int] | None, keep_order: bool, seed: int, as_json: bool
    ) -> None:
        from streams.offline.importers.log import write_log

        source = Path(path) if path is not None else None
        counts = write_log(importer.open(source, keep_order=keep_order, seed=seed, weeks=weeks), Path(output))
        if as_json:
            echo_json({"log": output, "events": dict(counts)})
            return
        listed = ", ".join(f"{count:,} {tag}" for tag, count in counts.most_common())
        click.echo(f"{output}: {listed or 'no events'}")

    return imported


def _help(importer: Importer) -> str:
    path = "PATH " if importer.needs_path else ""
    files = f"PATH is the folder with {' and '.join(importer.files)}." if importer.files else ""
    return (
        f"{importer.help[:1].upper()}{importer.help[1:]}.\n\n{files}\n\n"
        f"\b\nExample: streamrank import {importer.name} {path}-o {importer.name}.jsonl.gz"
    )
