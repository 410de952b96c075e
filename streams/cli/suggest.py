"""`streamrank suggest`."""

from __future__ import annotations

import click

from streams.cli.common import echo_json, json_option, run


@click.command()
@click.argument("text")
@click.option("--limit", default=10, show_default=True, help="How many texts, 1 to 100.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for the answer.")
@json_option
def command(text: str, limit: int, timeout: float, as_json: bool) -> None:
    """Complete a text from known queries, words and titles, best first.

    \b
    Example: streamrank suggest "red dr"
    """
    from streamrank_client.answers import Suggestion
    from streamrank_client.client import Client
    from streams.settings import load

    async def suggestions() -> list[Suggestion]:
        async with Client(settings=load()) as client:
            return await client.suggest(text, limit, timeout=timeout)

    found = run(suggestions())
    if as_json:
        echo_json(found)
        return
    for one in found:
        click.echo(f"{one.kind:6} {one.text}" + (f"  ({one.item_id})" if one.item_id else ""))
