"""`streamrank demo`."""

from __future__ import annotations

import click

from streams.cli.common import run


@click.command()
@click.option("--keep", is_flag=True, help="Stay up afterwards, and print what to try from another terminal.")
def command(keep: bool) -> None:
    """Publish, serve and ask a real purchase log, on an embedded broker and Valkey.

    The log is four weeks of The Complete Journey (a supermarket's receipts). Everything runs on free ports of
    127.0.0.1, and only the encoder artifact is left behind.

    \b
    Example: streamrank demo --keep
    """
    from streams.cli.demonstration import demo
    from streams.cli.tables import console

    run(demo(console(), keep))
