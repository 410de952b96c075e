"""`streamrank user USER_ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, moment, run

if TYPE_CHECKING:
    from streams.handlers.profile import Profile
    from streams.settings import Settings


@click.command()
@click.argument("user_id")
@click.option("--time", "at", help="When: Unix milliseconds, or a date; default: the newest event of the partition.")
@json_option
def command(user_id: str, at: str | None, as_json: bool) -> None:
    """What is known of a user: interests, prices, rhythm, recent items and searches, arm, what the ranker sees.

    Exit code 1: nothing is known.

    \b
    Example: streamrank user u1
    """
    from streams.errors import NotStored
    from streams.settings import load

    try:
        found = run(_user(load(), user_id, moment(at, "--time")))
    except NotStored as error:
        click.echo(f"streamrank: {error}", err=True)
        raise click.exceptions.Exit(1) from error
    if as_json:
        echo_json(found)
        return
    from streams.cli.operator_tables import user_profile
    from streams.cli.tables import console

    out = console()
    for part in user_profile(found):
        out.print(part)


async def _user(settings: Settings, user_id: str, at: int | None) -> Profile:
    from streams.operators import open_desk

    async with open_desk(settings) as desk:
        return await desk.user(user_id, at)
