"""An event log as a journal: its behaviour as columns, and which lines the handlers are not to be given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from models.evaluate.journal import NEVER, Journal
from models.items.codes import PATH, normal
from streamrank_client.errors import LogError
from streamrank_client.events import (
    CHOICES,
    CODE_OF,
    Delete,
    Dislike,
    ItemEvent,
    ItemUpdate,
    Purchase,
    decode_behavior,
    decode_item,
)
from streamrank_client.logs import Line
from streamrank_client.routing import BEHAVIORS, head
from streamrank_client.rules import DeleteRule, Rule
from streamrank_client.vocabulary import KINDS, event_key


@dataclass(slots=True)
class _Numbers:
    """Names as numbers in order of first use."""

    names: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def of(self, name: str | None) -> int:
        if name is None:
            return -1
        place = self.places.setdefault(name, len(self.names))
        if place == len(self.names):
            self.names.append(name)
        return place


class _Reader:
    def __init__(self) -> None:
        self.users, self.items, self.baskets, self.texts = _Numbers(), _Numbers(), _Numbers(), _Numbers()
        self.rows: list[tuple[int, int, int, int, bool, int, int]] = []
        self.titles: dict[int, str] = {}
        self.categories, self.brands = _Numbers(), _Numbers()
        self.category: dict[int, int] = {}
        self.brand: dict[int, int] = {}
        self.price: dict[int, float] = {}
        self.arrived: dict[int, int] = {}
        self.gone: dict[int, int] = {}
        self._seen: set[int] = set()

    def item(self, line: int, raw: bytes) -> None:
        """Take an item event: what it says of the item, and when that came and went."""
        event = decode_item(raw)
        if isinstance(event, Rule | DeleteRule):
            return
        number = self.items.of(event.item_id)
        if isinstance(event, Delete):
            self.gone.setdefault(number, line)
            return
        if isinstance(event, ItemUpdate) and number not in self.titles:
            return
        if event.title is not None:
            self.titles[number] = event.title
        if event.category:
            self.category.setdefault(number, self.categories.of(PATH.join(map(normal, event.category))))
        if event.brand:
            self.brand.setdefault(number, self.brands.of(normal(event.brand)))
        if event.price:
            self.price.setdefault(number, event.price)
        self.arrived.setdefault(number, line)
        if event.in_stock is False:
            self.gone.setdefault(number, line)
        elif event.in_stock:
            self.gone.pop(number, None)

    def behavior(self, line: int, raw: bytes) -> None:
        event = decode_behavior(raw)
        if not isinstance(event, ItemEvent) or isinstance(event, Dislike):
            return
        known = event_key(event.event_id, KINDS[CODE_OF[type(event)]].name, event.user_id, event.item_id)
        if known in self._seen:
            return
        self._seen.add(known)
        basket = event.basket_id if isinstance(event, Purchase) else None
        self.rows.append((
            line, self.users.of(event.user_id), self.items.of(event.item_id), event.time, isinstance(event, CHOICES),
            self.baskets.of(basket and f"{event.user_id} {basket}"), self.texts.of(event.query or None),
        ))  # fmt: skip

    def journal(self) -> Journal:
        numbers = np.array(self.rows, np.int64).reshape(-1, 7)
        line, user, item, time, chosen, basket, text = numbers.T.copy()
        everything = range(len(self.items.names))
        return Journal(
            line, user, item, time, chosen.astype(np.bool_), basket, text,
            arrived=np.array([self.arrived.get(n, NEVER) for n in everything], np.int64),
            gone=np.array([self.gone.get(n, NEVER) for n in everything], np.int64),
            category=np.array([self.category.get(n, -1) for n in everything], np.int64),
            brand=np.array([self.brand.get(n, -1) for n in everything], np.int64),
            price=np.array([self.price.get(n, 0.0) for n in everything], np.float64),
            users=self.users.names, items=self.items.names, texts=self.texts.names,
            titles=[self.titles.get(n, "") for n in everything],
        )  # fmt: skip


def read_journal(lines: Sequence[Line]) -> tuple[Journal, set[int]]:
    """The journal of ordered ``lines``, and the places of the queries among them.

    Queries of the log are left out of an evaluation: it asks its own, at each tested event. An item that leaves
    for good counts as gone from then on. Lines that the handlers would refuse are left to them.
    Raises LogError where nobody chose anything.
    """
    reader, queries = _Reader(), set()
    for place, line in enumerate(lines):
        found = head(line.raw)
        tag = found.event if found is not None else ""
        try:
            if tag in BEHAVIORS:
                reader.behavior(place, line.raw)
            elif tag in ("item", "item_update", "delete"):
                reader.item(place, line.raw)
            elif tag == "query":
                queries.add(place)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # a dead letter of the handlers, which get the line too
    journal = reader.journal()
    if not journal.chosen.any():
        raise LogError("the log holds no click, add_to_cart, purchase or rating: there is nothing to test")
    return journal, queries
