"""Item events to catalogue records: the last word on an item wins, a tombstone deletes."""

from __future__ import annotations

from models.items.catalogue import Catalogue, decode_entry
from models.sample import sample_entry
from streamrank_client.events import Delete, Item, encode
from streamrank_client.vocabulary import DAY_MS, key
from streams.handlers.catalogue import ItemChanges, on_items
from streams.handlers.steps import run_on
from streams.wire.messages import Record
from tests.support.composing import item_records, reading_models
from tests.support.driving import DEPLOYMENT

AT = 1_760_000_000_000


def handled(*events: Item | Delete | tuple[bytes | None, bytes | None], newest: int = -1) -> ItemChanges:
    """The changes that events, or records of (key, value), lead to."""
    records: list[Record] = []
    for place, event in enumerate(events):
        key_, value = event if isinstance(event, tuple) else (event.item_id.encode(), encode(event))
        records.append(Record(key_, value, place, AT))
    return run_on(on_items(records, newest, 0, reading_models(), DEPLOYMENT.topics), {})


def item(item_id: str, title: str = "green tea", at: int = AT, **more: object) -> Item:
    """An item."""
    return Item(item_id=item_id, title=title, time=at, **more)  # type: ignore[arg-type]


def test_an_item_becomes_one_record_with_its_vectors_and_words() -> None:
    """Everything a query worker needs, keyed by the item's id."""
    changes = handled(item("p1", category=["drinks", "tea"], brand="Leaf", price=2.5, in_stock=False))
    (message,) = changes.messages
    assert (message.topic, message.key, changes.accepted, changes.newest) == ("catalogue", b"p1", 1, AT)
    entry = decode_entry(message.value or b"")
    assert (entry.key, entry.item_id, entry.title, entry.price, entry.in_stock) == (
        key("p1"), "p1", "green tea", 2.5, False,
    )  # fmt: skip
    assert (entry.tokens, entry.words[1:3]) == (["green", "tea"], [["Leaf"], ["drinks", ".", "tea"]])
    assert len(entry.vector) == 2 * 512
    assert len(entry.compact) == 4 * 64


def test_of_several_events_of_an_item_the_last_counts() -> None:
    """One record an item and batch, in the order of their first event; its last event decides."""
    changes = handled(item("p1", "old"), item("p2"), item("p1", "new"), Delete(item_id="p2", time=AT))
    assert [message.key for message in changes.messages] == [b"p1", b"p2"]
    assert decode_entry(changes.messages[0].value or b"").title == "new"
    assert changes.messages[1].value is None
    assert changes.accepted == 4


def test_a_tombstone_deletes_and_a_later_item_brings_back() -> None:
    """A record without a value is a delete of its key; the order in the batch holds."""
    assert [m.value for m in handled(item("p1"), (b"p1", None)).messages] == [None]
    (back,) = handled((b"p1", None), item("p1")).messages
    assert back.value is not None


def test_broken_items_are_letters_and_the_others_go_on() -> None:
    """A wrong key, a tombstone without an item's id, a time too far ahead."""
    changes = handled(
        (b"p9", encode(item("p1"))), (b"\xff", None), (None, None), item("p3", at=AT + DAY_MS + 1), item("p4")
    )  # fmt: skip
    assert [(letter.offset, letter.code) for letter in changes.dead] == [
        (0, "wrong_key"), (1, "wrong_key"), (2, "tombstone"), (3, "future"),
    ]  # fmt: skip
    assert [message.key for message in changes.messages] == [b"p4"]


def test_a_promotion_that_ends_before_it_begins_or_has_no_list_price_is_a_letter() -> None:
    """The letter names the field and says what to send; one that is over in a moment is taken."""
    changes = handled(
        item("p1", price=1.0, list_price=2.0, valid_from=AT, valid_to=AT - 1),
        item("p2", price=1.0, valid_to=AT),
        item("p3", price=1.0, list_price=2.0, valid_from=AT, valid_to=AT),
    )
    assert [(letter.offset, letter.code, letter.field) for letter in changes.dead] == [
        (0, "invalid", "valid_from"),
        (1, "invalid", "list_price"),
    ]
    assert str(AT) in changes.dead[0].reason
    assert "valid_to" in changes.dead[1].reason
    assert [message.key for message in changes.messages] == [b"p3"]


def test_times_ahead_of_the_newest_item_only_are_taken() -> None:
    """A day after the newest item, or after the arrival, whichever is later."""
    changes = handled(item("p1", at=AT + DAY_MS), item("p2", at=AT + 2 * DAY_MS))
    assert (len(changes.messages), changes.dead, changes.newest) == (2, [], AT + 2 * DAY_MS)


def test_nothing_comes_of_nothing() -> None:
    """An empty batch, or one of letters only, encodes nothing."""
    assert handled().messages == []
    assert handled((b"p", b"{")).messages == []


def test_an_item_keeps_the_time_of_its_first_event() -> None:
    """What the catalogue knows of it counts, so that its age survives compaction and restarts; a new one's own time."""
    models = reading_models()
    models.catalogue.upsert([sample_entry("p1", time=AT - 30 * DAY_MS)])
    changes = run_on(on_items(item_records([item("p1"), item("p2", at=AT + 5)]), -1, 0, models, DEPLOYMENT.topics), {})
    entries = [decode_entry(message.value or b"") for message in changes.messages]
    assert [entry.first_time for entry in entries] == [AT - 30 * DAY_MS, AT + 5]
    catalogue = Catalogue()
    catalogue.upsert(entries)
    assert catalogue.first_time.tolist() == [AT - 30 * DAY_MS, AT + 5]
