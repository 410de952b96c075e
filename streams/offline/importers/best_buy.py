"""Best Buy's search clicks (ACM SF Bay Area hackathon 2012, the small file: Xbox 360 games).

PATH holds ``clicks.csv`` and ``products.csv`` (plain or gzip), and perhaps
``products_detail_157.xml`` with prices, descriptions and category names of some products. A `query`
at its time, then a `click` that repeats its text, without a request id: no answer of ours was clicked.
Clicks that share user, text and query time share their query. A product's `item` event carries its
start date, or the log's start where that is later, but never a time after its first click.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import msgspec

from streamrank_client.errors import LogError
from streamrank_client.events import Click, Event, Item, Query
from streams.offline.importers.base import Importer, find_file, milliseconds, read_rows, shuffle_lines, unreadable

NAME: Final = "best-buy"
DETAILS: Final = "products_detail_157.xml"
CLICKS: Final = ("user", "sku", "query", "click_time", "query_time")


class Details(msgspec.Struct, frozen=True):
    """What the detail file knows of a product."""

    description: str
    price: float | None
    list_price: float | None
    category: list[str]


def events(path: Path | None, *, keep_order: bool = False, seed: int = 0) -> Iterator[Event]:
    """Yield the log; ``keep_order`` leaves clicks of one user and moment in the file's order.

    Raises LogError for a missing file or column, an empty click file and broken XML.
    """
    queries, clicks = _clicks(find_file(path, "clicks.csv", NAME))
    if not clicks:
        raise LogError(f"{NAME}: '{path}' has a click file without clicks")
    start = min(queries[0].time, clicks[0].time) - 1
    first_use: dict[str, int] = {}
    for click in clicks:
        first_use.setdefault(click.item_id, click.time - 1)
    items = _items(find_file(path, "products.csv", NAME), _details(path), start, first_use)
    ordered = clicks if keep_order else list(shuffle_lines(clicks, attrgetter("user_id"), seed))
    merged: Iterator[Event] = heapq.merge(items, queries, ordered, key=attrgetter("time"))
    yield from merged


def _clicks(file: Path) -> tuple[list[Query], list[Click]]:
    """Return queries and clicks, each sorted by time."""
    queries: dict[tuple[str, str, str], Query] = {}
    clicks: list[Click] = []
    for row, (user, sku, text, clicked, asked) in enumerate(read_rows(file, CLICKS)):
        try:
            click_time, query_time = milliseconds(clicked), milliseconds(asked)
        except ValueError as error:
            raise unreadable(file, row, error) from error
        query = Query(request_id=f"bb-q-{row}", user_id=user, time=query_time, surface="search", text=text)
        queries.setdefault((user, text, asked), query)
        clicks.append(Click(event_id=f"bb-{row}", user_id=user, item_id=sku, time=click_time, query=text))
    by_time = attrgetter("time")
    return sorted(queries.values(), key=by_time), sorted(clicks, key=by_time)


def _items(file: Path, details: dict[str, Details], start: int, first_use: dict[str, int]) -> list[Item]:
    items = []
    for row, (sku, name, start_date) in enumerate(read_rows(file, ("sku", "name", "start_date"))):
        try:
            arrival = max(milliseconds(start_date), start) if start_date else start
        except ValueError as error:
            raise unreadable(file, row, error) from error
        more = details.get(sku)
        items.append(
            Item(
                item_id=sku,
                time=min(arrival, first_use.get(sku, arrival)),
                title=name,
                description=more.description if more else "",
                category=more.category if more else [],
                price=more.price if more else None,
                list_price=more.list_price if more else None,
            )
        )
    return sorted(items, key=attrgetter("time"))


def _details(folder: Path | None) -> dict[str, Details]:
    """Return the details by sku; empty where the file is not there."""
    try:
        file = find_file(folder, DETAILS, NAME)
    except LogError:
        return {}
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rb") as stream:
            root = ElementTree.parse(stream).getroot()
        return {product.findtext("sku", ""): _detail(product) for product in root.iter("product")}
    except (OSError, EOFError, zlib.error, ElementTree.ParseError, ValueError) as error:
        raise LogError(f"'{file}' cannot be read: {error}") from error


def _detail(product: ElementTree.Element) -> Details:
    regular, sale = _price(product, "regularPrice"), _price(product, "salePrice")
    price = sale if sale is not None else regular
    names = [name.text or "" for name in product.iterfind("categoryPath/category/name")]
    return Details(
        description=(product.findtext("longDescription") or product.findtext("shortDescription") or "").strip(),
        price=price,
        list_price=regular if regular is not None and price is not None and regular > price else None,
        category=[name for name in names[1:] if name],  # the first is the shop's own name
    )


def _price(product: ElementTree.Element, field: str) -> float | None:
    text = product.findtext(field)
    return float(text) if text else None


IMPORTER: Final = Importer(
    name=NAME,
    help="searches and the products clicked after them (Best Buy, ACM hackathon 2012, small)",
    events=events,
    files=("clicks.csv", "products.csv"),
)
