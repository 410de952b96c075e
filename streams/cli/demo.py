"""`streamrank demo`."""

from __future__ import annotations

import click

from streams.cli.common import run


@click.command()
@click.option("--keep", is_flag=True, help="Stay up afterwards, and print what to try from another terminal.")
def command(keep: bool) -> None:
    """A real purchase log through the embedded broker and Valkey: published, served, asked, learnt from.

    Four weeks of The Complete Journey (a supermarket's receipts), on free ports of 127.0.0.1. Nothing is left
    behind but the encoder artifact.

    \b
    Example: streamrank demo --keep
    """
    from streams.cli.demonstration import demo
    from streams.cli.tables import console

    run(demo(console(), keep))
