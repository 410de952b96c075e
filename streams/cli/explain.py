"""`streamrank explain REQUEST_ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.common import echo_json, json_option, run

if TYPE_CHECKING:
    from streams.handlers.stored import StoredAnswer
    from streams.settings import Settings


@click.command()
@click.argument("request_id")
@click.option("--user", help="User id of the query; without it every partition is looked through.")
@json_option
def command(request_id: str, user: str | None, as_json: bool) -> None:
    """Why a stored answer was as it was.

    What was known of the user, candidates by source, what each score is made of, and how the order changes with one
    feature group left out. Answers are stored for STREAMRANK_JOIN_HOURS. Exit code 1: it is not stored.

    \b
    Example: streamrank explain 5f3a0c --user u1
    """
    from streams.errors import NotStored
    from streams.settings import load

    try:
        found = run(_explain(load(), request_id, user))
    except NotStored as error:
        click.echo(f"streamrank: {error}", err=True)
        raise click.exceptions.Exit(1) from error
    if as_json:
        echo_json(found)
        return
    from streams.cli.operator_tables import stored_answer
    from streams.cli.tables import console

    out = console()
    for part in stored_answer(found):
        out.print(part)


async def _explain(settings: Settings, request_id: str, user: str | None) -> StoredAnswer:
    from streams.operators import open_desk

    async with open_desk(settings) as desk:
        return await desk.explain(request_id, user)
