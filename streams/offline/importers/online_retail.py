"""UCI Online Retail and Online Retail II: two years of a British gift shop's purchases.

PATH holds ``events.csv`` and ``items.csv`` (plain or gzip), the de-duplicated union of both files with
the columns read below. One `purchase` a line of an invoice. The only arrival known of an item is its
first sale: its `item` event comes a millisecond before, so that new items stay new.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Final

from streamrank_client.events import Event, Item, Purchase
from streams.offline.importers.base import Importer, find_file, milliseconds, read_rows, shuffle_lines, unreadable
from streams.offline.importers.titles import readable

NAME: Final = "online-retail"
LINES: Final = ("ts", "user_id", "invoice", "item_id", "qty", "unit_price")
ITEMS: Final = ("item_id", "title", "median_price", "first_seen")


def events(path: Path | None, *, keep_order: bool = False, seed: int = 0) -> Iterator[Event]:
    """Yield the log; lines of one invoice and minute in a random order fixed by ``seed``.

    ``keep_order`` leaves them in the file's order, in which a table of last items looks four times
    better than it is. Raises LogError for a missing file or column and for a line that is not sorted.
    """
    items = _items(find_file(path, "items.csv", NAME))
    purchases = _purchases(find_file(path, "events.csv", NAME))
    ordered = purchases if keep_order else shuffle_lines(purchases, _basket, seed)
    merged: Iterator[Event] = heapq.merge(items, ordered, key=attrgetter("time"))
    yield from merged


def _items(file: Path) -> list[Event]:
    items: list[Event] = []
    for row, (item_id, title, median_price, first_seen) in enumerate(read_rows(file, ITEMS)):
        try:
            time, price = milliseconds(first_seen) - 1, float(median_price)
        except ValueError as error:
            raise unreadable(file, row, error) from error
        items.append(Item(item_id=item_id, time=time, title=readable(title), price=price))
    return sorted(items, key=attrgetter("time"))


def _purchases(file: Path) -> Iterator[Purchase]:
    last, time = "", 0
    for row, (stamp, user, invoice, item, quantity, price) in enumerate(read_rows(file, LINES)):
        try:
            if stamp != last:
                last, before, time = stamp, time, milliseconds(stamp)
                if time < before:
                    raise ValueError(f"ts {stamp} comes after a later one; sort the file by ts")
            purchase = Purchase(
                event_id=f"or-{row}",
                user_id=user,
                item_id=item,
                time=time,
                quantity=int(quantity),
                price=float(price),
                basket_id=invoice,
            )
        except ValueError as error:
            raise unreadable(file, row, error) from error
        yield purchase


def _basket(purchase: Purchase) -> str | None:
    return purchase.basket_id


IMPORTER: Final = Importer(
    name=NAME,
    help="two years of a gift shop's purchases (UCI Online Retail I and II)",
    events=events,
    files=("events.csv", "items.csv"),
)
