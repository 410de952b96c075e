"""`streamrank import DATASET`."""

from __future__ import annotations

from pathlib import Path

import click

from streams.cli.common import echo_json, json_option


class Weeks(click.ParamType):
    """`A-B`, two weeks, both included."""

    name = "A-B"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        first, dash, last = str(value).partition("-")
        if not (first.isdigit() and (last if dash else first).isdigit()):
            self.fail(f"{value!r}: expected A-B, for example 1-8", param, ctx)
        return int(first), int(last if dash else first)


@click.command()
@click.argument("dataset")
@click.argument("path", type=click.Path(file_okay=False), required=False)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The log (.jsonl, .jsonl.gz).")
@click.option("--weeks", type=Weeks(), help="Only these weeks (complete-journey).")
@click.option("--keep-order", is_flag=True, help="Keep a basket's lines in file order (else they are shuffled).")
@click.option("--seed", default=0, show_default=True, help="Seed of that shuffling.")
@json_option
def command(
    dataset: str,
    path: str | None,
    output: str,
    weeks: tuple[int, int] | None,
    keep_order: bool,
    seed: int,
    as_json: bool,
) -> None:
    """Turn a public data set into an event log. PATH is its folder; complete-journey needs none.

    DATASET is complete-journey, online-retail, best-buy or movielens, or one that an installed package adds.

    \b
    Example: streamrank import complete-journey --weeks 1-8 -o journey.jsonl.gz
    """
    from streams.offline.importers.log import write_log
    from streams.offline.importers.registry import IMPORTERS

    if dataset not in IMPORTERS:
        raise click.BadParameter(f"{dataset!r} is none of {', '.join(IMPORTERS)}", param_hint="DATASET")
    source = Path(path) if path is not None else None
    events = IMPORTERS[dataset].open(source, keep_order=keep_order, seed=seed, weeks=weeks)
    counts = write_log(events, Path(output))
    if as_json:
        echo_json({"log": output, "events": dict(counts)})
        return
    listed = ", ".join(f"{count:,} {tag}" for tag, count in counts.most_common())
    click.echo(f"{output}: {listed or 'no events'}")
