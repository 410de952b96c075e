"""`streamrank explain REQUEST_ID`."""

from __future__ import annotations

import click

from streams.cli.common import json_option
from streams.cli.stored import show_stored


@click.command()
@click.argument("request_id")
@click.option("--user", help="User id of the query; without it, every partition is searched.")
@json_option
def command(request_id: str, user: str | None, as_json: bool) -> None:
    """Explain a stored answer.

    Shows what was known of the user, the candidates by source, what each score is made of, and how the order changes
    without each group of features. Answers are stored for STREAMRANK_JOIN_HOURS. Exit code 1: it is not stored.

    \b
    Example: streamrank explain 5f3a0c --user u1
    """
    from streams.cli.operator_tables import stored_answer

    show_stored(lambda desk: desk.explain(request_id, user), stored_answer, as_json)
