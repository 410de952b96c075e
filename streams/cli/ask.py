"""`streamrank ask`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from streamrank_client.vocabulary import SORTS, SURFACES
from streams.cli.common import echo_json, json_option, names, run

if TYPE_CHECKING:
    from streamrank_client.answers import Answer
    from streamrank_client.events import Query
    from streams.settings import Settings

#: models.retrieval.sentences.Language, spelled here so that --help does not import the models; a test compares them
LANGUAGES = ("en", "zh")


@click.command()
@click.option("--user", help="User id; without it the query is anonymous.")
@click.option("--text", default="", help="What is searched for, in Chinese or English.")
@click.option("--surface", type=click.Choice(SURFACES), help="Default: follows from what is given.")
@click.option("--item", help="Items similar to this one.")
@click.option("--cart", help="Item ids in the basket, comma separated.")
@click.option("--candidates", help="Item ids to rank, comma separated.")
@click.option("--limit", default=10, show_default=True, help="How many items, 1 to 100.")
@click.option("--offset", default=0, help="Begin at this place, for page two; give page one's --time too.")
@click.option("--page-of", help="Request id of page one, so that nothing explored there comes again.")
@click.option(
    "--attribute",
    multiple=True,
    metavar="NAME=VALUE",
    help='Only items with this attribute: a text, or JSON (128, [1,2], {"min":3}); may be given again.',
)
@click.option("--category", multiple=True, help="Only this category; may be given again.")
@click.option("--brand", multiple=True, help="Only this brand; may be given again.")
@click.option("--min-price", type=float, help="At least this price.")
@click.option("--max-price", type=float, help="At most this price.")
@click.option("--in-stock", is_flag=True, help="Only items in stock.")
@click.option("--sort", type=click.Choice(SORTS), help="All that matches in this order, not the most relevant first.")
@click.option("--facet", multiple=True, help="Count category, brand, price or this attribute; may be given again.")
@click.option("--exclude", help="Item ids not to show, comma separated.")
@click.option("--explain", is_flag=True, help="Say what each score is made of.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Also say in words why each item is shown.")
@click.option("--time", "at", type=int, help="Time of the query in Unix ms; default: now.")
@click.option("--after", metavar="PARTITION:OFFSET", help="Wait for this event (`event` prints its place).")
@click.option("--strict", is_flag=True, help="Refuse names that no query has, as in --attribute 'size={\"mn\":3}'.")
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait, for Kafka and the answer in all.")
@json_option
def command(as_json: bool, timeout: float, **given: object) -> None:
    """Ask one query and print its answer.

    \b
    Example: streamrank ask --user u1 --text "酸奶" --limit 5 --explain
    """
    from streams.settings import load

    query, settings = _query(given), load()
    answer, latency_ms, titles = run(_ask(query, settings, timeout, titled=not as_json))
    if as_json:
        echo_json(answer)
        return
    from streams.cli.tables import answer_table, console, facet_table, understood_table

    if answer.understood is not None:
        console().print(understood_table(answer.understood))
    console().print(answer_table(answer, titles, latency_ms))
    if answer.facets:
        console().print(facet_table(answer.facets))


def _query(given: dict[str, object]) -> Query:
    """The query that the options describe; raises InvalidEvent naming the field that cannot be."""
    from streamrank_client.errors import InvalidEvent
    from streamrank_client.events import Query
    from streamrank_client.making import from_fields, new_id, now
    from streamrank_client.shapes import unknown_fields

    fields = {
        "event": "query",
        "time": given["at"] if given["at"] is not None else now(),
        "request_id": new_id(),
        "user_id": given["user"],
        "surface": given["surface"],
        "text": given["text"],
        "item_id": given["item"],
        "cart": names(_text(given["cart"])),
        "candidates": names(_text(given["candidates"])),
        "limit": given["limit"],
        "offset": given["offset"],
        "page_of": given["page_of"],
        "filters": _filters(given),
        "sort": given["sort"],
        "facets": given["facet"],
        "exclude": names(_text(given["exclude"])),
        "explain": given["explain"] or given["language"] is not None,
        "language": given["language"],
        "after": _place(_text(given["after"])),
    }
    if given["strict"] and (unknown := unknown_fields(fields, Query)):
        raise InvalidEvent("invalid", unknown[0].path, unknown[0].remedy)
    query: Query = from_fields(fields, Query)
    return query


def _filters(given: dict[str, object]) -> dict[str, object] | None:
    limits = {"min": given["min_price"], "max": given["max_price"]}
    price = {side: value for side, value in limits.items() if value is not None}
    lists = {
        name: list(values) for name in ("category", "brand") if isinstance(values := given[name], tuple) and values
    }
    found: dict[str, object] = {**lists, **({"price": price} if price else {})}
    if given["in_stock"]:
        found["in_stock"] = True
    if given["attribute"]:
        pairs = given["attribute"] if isinstance(given["attribute"], tuple) else ()
        found["attributes"] = dict(_attribute(pair) for pair in pairs)
    return found or None


def _attribute(pair: str) -> tuple[str, object]:
    """A name and the value wanted: JSON where it reads as such, else a text.

    >>> _attribute("size=42"), _attribute("colour=red")
    (('size', 42), ('colour', 'red'))
    """
    import msgspec

    name, equals, text = pair.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{pair!r}: expected NAME=VALUE, for example colour=red", param_hint="--attribute")
    try:
        return name, msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return name, text


def _place(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    partition, _, offset = text.partition(":")
    if not (partition.isdigit() and offset.isdigit()):
        raise click.BadParameter(f"{text!r}: expected PARTITION:OFFSET, for example 3:991", param_hint="--after")
    return {"partition": int(partition), "offset": int(offset)}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


async def _ask(
    query: Query, settings: Settings, timeout: float, *, titled: bool
) -> tuple[Answer, float, dict[str, str]]:
    """The answer, the milliseconds that it took and, where they are wanted and can be read, its items' titles; all
    within the timeout.
    """
    from streamrank_client.client import Client
    from streamrank_client.errors import Unavailable
    from streamrank_client.settings import variable
    from streams.lookup.titles import ItemTitles

    deadline = time.monotonic() + timeout
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(timeout):
                client = await stack.enter_async_context(Client(settings=settings))
        except TimeoutError:
            raise Unavailable(
                f"Kafka at {settings.kafka} did not answer within {timeout:g} s: check {variable('kafka')} and the "
                "broker, or ask `streamrank doctor`"
            ) from None
        start = time.monotonic()
        answer = await client.ask_query(query, deadline - start)
        end = time.monotonic()
        titles = {}
        if titled:
            looking = await stack.enter_async_context(ItemTitles(settings))
            titles = await looking.of([item.item_id for item in answer.items], deadline - end)
        return answer, (end - start) * 1000, titles
