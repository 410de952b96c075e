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

    from streams.lookup.titles import ItemTitles
    from streams.settings import Settings


@click.command()
@click.option("--topic", default="recommendations", show_default=True, help="Topic, without prefix and shop.")
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
        run(_follow(settings, settings.first_of_topics + topic, limit, from_start, as_json))
    except KeyboardInterrupt:
        click.echo(err=True)


async def _follow(settings: Settings, topic: str, limit: int | None, from_start: bool, as_json: bool) -> None:
    from streamrank_client.following import following, records
    from streams.cli.tables import console
    from streams.lookup.titles import ItemTitles

    async with (
        following(settings, topic, from_start=from_start) as consumer,
        aclosing(records(consumer)) as found,
        ItemTitles(settings) as titles,
    ):
        click.echo(f"waits for records of {topic} from {_beginning(from_start)}; Ctrl-C ends it", err=True)
        show = _Shower(console(), titles, as_json)
        shown = 0
        async for record in found:
            await show.record(record)
            shown += 1
            if shown == limit:
                return


def _beginning(from_start: bool) -> str:
    return "the oldest one on" if from_start else "now on; --from-start shows those that are there"


class _Shower:
    """Prints records as they come; tables with the same columns have their header once."""

    def __init__(self, out: Console, titles: ItemTitles, as_json: bool) -> None:
        self._out = out
        self._titles = titles
        self._as_json = as_json
        self._columns = ""

    async def record(self, record: ConsumerRecord) -> None:
        """Print one record: a table of an answer or dead letter, else a line of JSON."""
        import msgspec

        from streamrank_client.answers import decode_answer, decode_dead_letter
        from streams.cli.tables import answer_table, dead_letter_table, is_explained

        value: bytes = record.value or b"null"
        try:
            data = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            data = {"topic": record.topic, "offset": record.offset, "size": len(value), "not_json": True}
        tag = data.get("event") if isinstance(data, dict) else None
        if self._as_json or tag not in ("answer", "dead_letter"):
            click.echo(to_json(data))
            return
        if tag == "answer":
            answer = decode_answer(value)
            header = self._begins(f"answer, explained: {is_explained(answer)}")
            titles = await self._titles.of([item.item_id for item in answer.items])
            self._out.print(answer_table(answer, titles, following=True, header=header))
        else:
            header = self._begins("dead letter")
            self._out.print(dead_letter_table([decode_dead_letter(value)], following=True, header=header))

    def _begins(self, columns: str) -> bool:
        """Whether columns differ from those of the table before."""
        before, self._columns = self._columns, columns
        return before != columns
