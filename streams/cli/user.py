"""`streamrank user USER_ID`."""

from __future__ import annotations

import click

from streams.cli.common import json_option, moment
from streams.cli.stored import show_stored


@click.command()
@click.argument("user_id")
@click.option(
    "--time", "at", help="At this moment: Unix milliseconds, or a date; default: the partition's newest event."
)
@json_option
def command(user_id: str, at: str | None, as_json: bool) -> None:
    """Show what is known of a user: interests, prices, rhythm of repurchase, recent items and searches, arm, and what
    the ranker sees.

    Exit code 1: nothing is known.

    \b
    Example: streamrank user u1
    """
    from streams.cli.operator_tables import user_profile

    time = moment(at, "--time")
    show_stored(lambda desk: desk.user(user_id, time), user_profile, as_json)
