"""Item events in any order of arrival: event time decides; changes of some fields leave the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import msgspec
import pytest

from models.items.entries import Entry, decode_entry
from models.sample import sample_entry
from models.shop.rule_book import decode_rule
from state.keys import item_times
from streamrank_client.answers import DeadLetter
from streamrank_client.events import Delete, Item, ItemEvents, ItemUpdate, decode_item, encode
from streamrank_client.rules import DeleteRule, Rule
from streams.handlers.catalogue import MERGED, ItemChanges, key_of, on_items
from streams.handlers.steps import run_on
from streams.wire.messages import Message, Record
from tests.support.composing import reading_models
from tests.support.driving import AT, DEPLOYMENT

MODELS = reading_models()


class Shop:
    """A partition of item-events, batch after batch, over a dict; and what readers of the catalogue then hold."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.catalogue: dict[str, Entry | None] = {}
        self.rules: dict[str, str | None] = {}
        self.again: list[Message] = []
        self.dead: list[DeadLetter] = []
        self.late = 0

    def take(self, *events: ItemEvents) -> None:
        """Handle events as one batch."""
        self.handle([Record(key_of(e).encode(), encode(e), n, e.time) for n, e in enumerate(events)])

    def handle(self, records: Sequence[Record]) -> None:
        """Handle records as one batch."""
        changes: ItemChanges = run_on(on_items(records, AT, 0, MODELS, DEPLOYMENT.topics), self.stored)
        self.stored |= dict(changes.stored + changes.expiring)
        self.dead += changes.dead
        self.late += changes.late
        for message in changes.messages:
            name = (message.key or b"").decode()
            if message.topic == "catalogue":
                self.catalogue[name] = decode_entry(message.value) if message.value else None
            elif message.topic == "rules":
                self.rules[name] = decode_rule(message.value).action if message.value else None
            else:
                self.again.append(message)


def item(at: int = 0, **given: object) -> Item:
    """An item's event at some milliseconds."""
    return Item(**{"item_id": "p1", "time": AT + at, "title": "Tea", "price": 3.0, **given})  # type: ignore[arg-type]


def update(at: int, **given: object) -> ItemUpdate:
    """A change of the item at some milliseconds."""
    return ItemUpdate(**{"item_id": "p1", "time": AT + at, **given})  # type: ignore[arg-type]


def deleted(at: int) -> Delete:
    """Its end."""
    return Delete(item_id="p1", time=AT + at)


@pytest.mark.parametrize(
    "events",
    [
        [item(0), item(60, in_stock=False)],
        [item(0), deleted(60)],
        [item(0), deleted(60), item(90, title="Tea again")],
        [item(0), update(30, price=2.0), update(60, in_stock=False)],
        [item(0), update(30, price=2.0), item(60, price=4.0), update(90, brand="Oz")],
        [item(0), update(60, price=2.0, title="Green tea"), update(90, price=1.0)],
        [update(30, price=2.0), deleted(60), item(90)],
    ],
)
def test_the_order_of_arrival_does_not_matter(events: list[ItemEvents]) -> None:
    """In batches of one, and all at once, readers end with what they have of events in order of time."""
    kept = []
    for order in permutations(events):
        apart, together = Shop(), Shop()
        for event in order:
            apart.take(event)
        together.take(*order)
        kept += [apart.catalogue.get("p1"), together.catalogue.get("p1")]
    wanted = kept[0]
    assert all((one and (one.title, one.price, one.in_stock, one.brand)) ==
               (wanted and (wanted.title, wanted.price, wanted.in_stock, wanted.brand)) for one in kept)  # fmt: skip


def test_a_change_leaves_all_other_fields() -> None:
    """A new price keeps title, category and attributes, and the item's words."""
    shop = Shop()
    shop.take(item(0, category=["Drinks"], brand="Oz", attributes={"size": [41, 42]}, description="from Assam"))
    before = shop.catalogue["p1"]
    shop.take(update(5, price=2.0))
    after = shop.catalogue["p1"]
    assert before is not None
    assert after is not None
    assert (before.price, after.price, after.time) == (3.0, 2.0, AT + 5)
    for field in ("title", "category", "brand", "attributes", "tokens", "in_stock", "vector", "first_time"):
        assert getattr(after, field) == getattr(before, field)


def test_a_changed_item_is_published_whole_again() -> None:
    """item-events is compacted: its last record of an item must be the item; read again, it changes nothing."""
    shop = Shop()
    shop.take(item(0))
    shop.take(update(5, price=2.0))
    (message,) = shop.again
    assert (message.topic, message.key, message.partition) == ("item-events", b"p1", 0)
    assert decode_item(message.value or b"") == item(5, price=2.0)
    held = dict(shop.stored)
    shop.handle([Record(message.key, message.value, 9, AT, ((MERGED, b""),))])
    assert (shop.stored, len(shop.again), shop.late, shop.dead) == (held, 1, 0, [])
    anew = Shop()
    anew.handle([Record(message.key, message.value, 9, AT, ((MERGED, b""),))])
    again, before = anew.catalogue["p1"], shop.catalogue["p1"]
    assert again is not None
    assert msgspec.structs.replace(again, first_time=AT) == before


def test_a_change_of_an_item_that_is_not_held_is_told_and_kept() -> None:
    """The letter says what to do; the item that comes late has the change."""
    shop = Shop()
    shop.take(update(5, price=2.0))
    (letter,) = shop.dead
    assert (letter.code, letter.field) == ("unknown_item", "item_id")
    assert "publish it whole" in letter.reason
    shop.take(item(0))
    entry = shop.catalogue["p1"]
    assert entry is not None
    assert entry.price == 2.0


@pytest.mark.parametrize(
    ("change", "field"),
    [(update(5), ""), (update(5, valid_to=AT + 9), "list_price"), (update(5, price=None), "")],
)
def test_a_change_of_nothing_or_to_nonsense_is_refused(change: ItemUpdate, field: str) -> None:
    """The item stays as it was."""
    shop = Shop()
    shop.take(item(0))
    before = shop.catalogue["p1"]
    shop.take(change)
    assert [letter.field for letter in shop.dead] == [field]
    assert shop.catalogue["p1"] == before


def test_rules_follow_their_time_too() -> None:
    """A rule that was changed or taken away does not come back by an older event."""
    hide = Rule(time=AT, rule_id="r1", action="hide", item_ids=["p1"])
    bury = Rule(time=AT + 5, rule_id="r1", action="bury", item_ids=["p1"])
    gone = DeleteRule(time=AT + 9, rule_id="r1")
    orders: list[tuple[list[Rule | DeleteRule], str | None]] = [
        ([bury, hide], "bury"), ([gone, bury, hide], None), ([hide, gone, bury], None),
    ]  # fmt: skip
    for events, left in orders:
        shop = Shop()
        for event in events:
            shop.take(event)
        assert shop.rules["r1"] == left
        assert shop.late > 0


def test_a_tombstone_is_of_its_records_time() -> None:
    """A record without a value says no other."""
    shop = Shop()
    shop.handle([Record(b"p1", None, 0, AT + 5)])
    shop.take(item(0))
    assert shop.catalogue == {"p1": None}
    shop.take(item(9))
    assert shop.catalogue["p1"] is not None


def test_what_an_earlier_version_published_has_its_time() -> None:
    """Nothing is stored of it: the catalogue says when; a change of it is told to need the whole item once."""
    models = reading_models()
    models.catalogue.upsert([sample_entry("p1", time=AT + 5)])
    for event, messages, letters in (
        (item(0), 0, 0),
        (item(9), 1, 0),
        (update(9, price=1.0), 0, 1),
        (deleted(9), 1, 0),
    ):
        record = Record(b"p1", encode(event), 0, AT)
        changes = run_on(on_items([record], AT, 0, models, DEPLOYMENT.topics), {})
        assert (len(changes.messages), len(changes.dead)) == (messages, letters)


def test_readers_compare_too() -> None:
    """An entry older than the row's own changes nothing, one of the same time does."""
    catalogue = reading_models().catalogue
    for time, title in ((5, "five"), (4, "four")):
        catalogue.upsert([sample_entry(title, item_id="p1", time=time)])
    assert catalogue.titles == ["five"]
    catalogue.upsert([sample_entry("again", item_id="p1", time=5)])
    assert catalogue.titles == ["again"]


def test_what_is_deleted_is_known_for_a_while() -> None:
    """Under the item's key, among what expires."""
    changes = run_on(on_items([Record(b"p1", encode(deleted(0)), 0, AT)], AT, 0, MODELS, DEPLOYMENT.topics), {})
    assert ([key for key, _ in changes.expiring], changes.stored) == ([item_times(0, "p1")], [])
