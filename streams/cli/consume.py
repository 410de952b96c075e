"""`streamrank consume`."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from streams.cli.common import as_json as to_json
from streams.cli.common import json_option, run

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord  # type: ignore[import-untyped]
    from rich.console import Console

    from streams.settings import Settings


@click.command()
@click.option("--topic", default="recommendations", show_default=True, help="Topic, without its prefix.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many records.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest record, not with the next one.")
@json_option
def command(topic: str, limit: int | None, from_start: bool, as_json: bool) -> None:
    """Follow answers, dead letters or any other topic of JSON; Ctrl-C ends it.

    \b
    Example: streamrank consume --topic dead-letters --from-start --limit 10 --json
    """
    from streams.settings import load

    settings = load()
    try:
        run(_follow(settings, settings.topic_prefix + topic, limit, from_start, as_json))
    except KeyboardInterrupt:
        click.echo(err=True)


async def _follow(settings: Settings, topic: str, limit: int | None, from_start: bool, as_json: bool) -> None:
    from streamrank_client.following import following, records
    from streams.cli.tables import console

    out = console()
    async with (
        following(settings, topic, from_start=from_start) as consumer,
        aclosing(records(consumer)) as found,
    ):
        shown = 0
        async for record in found:
            _show(record, as_json, out)
            shown += 1
            if shown == limit:
                return


def _show(record: ConsumerRecord, as_json: bool, out: Console) -> None:
    import msgspec

    from streamrank_client.answers import decode_answer, decode_dead_letter
    from streams.cli.tables import answer_table, dead_letter_table

    value: bytes = record.value or b"null"
    try:
        data = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        data = {"topic": record.topic, "offset": record.offset, "size": len(value), "not_json": True}
    tag = data.get("event") if isinstance(data, dict) else None
    if as_json or tag not in ("answer", "dead_letter"):
        click.echo(to_json(data))
    elif tag == "answer":
        out.print(answer_table(decode_answer(value)))
    else:
        out.print(dead_letter_table([decode_dead_letter(value)]))
