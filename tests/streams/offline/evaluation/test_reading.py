"""A log as a journal: what it says of items."""

from __future__ import annotations

from streamrank_client.events import Click, Item, ItemUpdate, encode
from streamrank_client.logs import Line
from streams.offline.evaluation.reading import read_journal


def test_category_brand_and_price_are_those_that_were_first_told() -> None:
    """In their normal form; a later price or shelf says nothing, and an item without any has none."""
    events = [
        Item(time=1, item_id="a", category=["Men", "Shoes"], brand="Ecco", price=50.0),
        Item(time=2, item_id="b", category=["men", "SHOES"], brand="Keen"),
        Item(time=3, item_id="c", brand="ECCO"),
        Item(time=4, item_id="a", category=["Sale"], brand="Ecco", price=9.0),
        ItemUpdate(time=5, item_id="b", price=70.0),
        Click(event_id="e6", time=6, user_id="u", item_id="c"),
    ]
    journal, _ = read_journal([Line(event.time, encode(event)) for event in events])
    assert list(journal.items) == ["a", "b", "c"]
    assert journal.category.tolist() == [0, 0, -1]
    assert journal.brand.tolist() == [0, 1, 0]
    assert journal.price.tolist() == [50.0, 70.0, 0.0]
