"""The largest events that the limits allow, and ids of odd characters, go all the way."""

from __future__ import annotations

import pytest

from state import keys
from streamrank_client import limits
from streamrank_client.events import Item, Query, encode
from streamrank_client.fields import Filters, Range
from streamrank_client.making import behavior, checked
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START, items


def largest_item() -> Item:
    """An item of nearly a record's size, every part of it at its limit."""
    attributes: dict[str, bool | float | str | list[bool | float | str]] = {
        f"{n:0{limits.ATTRIBUTE_NAME_CHARACTERS}d}": ["w" * 100] * limits.ATTRIBUTE_TEXTS
        for n in range(limits.ATTRIBUTES)
    }
    return Item(
        time=START, item_id="i" * limits.ID_CHARACTERS, title="red tea " * (limits.TEXT_CHARACTERS // 8),
        description="d " * (limits.DESCRIPTION_CHARACTERS // 2), brand="b" * limits.BRAND_CHARACTERS,
        category=["c" * limits.ID_CHARACTERS] * limits.CATEGORY_LEVELS, price=limits.PRICE, attributes=attributes,
    )  # fmt: skip


def largest_query(**more: object) -> Query:
    """A query with as much in every part as it may have."""
    wanted: dict[str, list[bool | float | str] | Range] = {
        f"a{n}": [f"v{m}" for m in range(limits.FILTER_VALUES)] for n in range(limits.FILTERED_ATTRIBUTES - 1)
    }
    names = [f"n{n}" for n in range(limits.FILTER_VALUES)]
    asked = {
        "time": START + 1, "request_id": "r" * limits.ID_CHARACTERS, "user_id": "u" * limits.ID_CHARACTERS,
        "text": "牛奶 milk " * (limits.TEXT_CHARACTERS // 8), "cart": [f"c{n}" for n in range(limits.CART_ITEMS)],
        "candidates": [f"p{n}" for n in range(limits.CANDIDATES)],
        "exclude": [f"x{n}" for n in range(limits.EXCLUDED_ITEMS)], "limit": limits.PAGE_ITEMS, "explain": True,
        "language": "zh",
        "filters": Filters(category=[*names], brand=names, attributes={**wanted, "n": Range(min=1)}),
    }  # fmt: skip
    return Query(**{**asked, **more})  # type: ignore[arg-type]


def test_the_largest_item_is_understood_found_and_filtered() -> None:
    """Its record has close to a mebibyte."""
    item = largest_item()
    assert 0.5 < len(checked(item)) / limits.MAX_RECORD_BYTES < 1
    shelf = Answering.of([*items(4), item])
    filters = Filters(attributes={next(iter(item.attributes)): "W" * 100})
    answer = shelf.answer(Query(time=START + 1, request_id="r1", text="red tea", filters=filters))
    assert [one.item_id for one in answer.items] == [item.item_id]


@pytest.mark.parametrize("surface", ["search", "home", "similar", "cart", "rerank"])
def test_the_largest_query_is_answered_on_every_surface(shelf: Answering, surface: str) -> None:
    """With its filters, which nothing matches, and without them."""
    filtered = largest_query(surface=surface, item_id="p1")
    assert len(checked(filtered)) < limits.MAX_RECORD_BYTES
    assert shelf.answer(filtered).items == []
    answer = shelf.answer(largest_query(surface=surface, item_id="p1", filters=None))
    assert answer.error is None
    assert answer.surface == surface
    assert answer.items or surface not in ("search", "similar", "rerank")


@pytest.mark.parametrize("name", ["a}{b", "{0}", "}{", "n\x00l", "two\nlines", "\u202egnp.exe", "😀" * 128])
def test_a_user_and_items_with_odd_ids_are_known_again(shelf: Answering, name: str) -> None:
    """What they did is stored under their own key, and seen in the next answer."""
    clicks = [behavior("click", event_id=f"{name}{n}"[-128:], user_id=name, item_id="p3", time=START) for n in range(2)]
    item = behavior("click", event_id="odd", user_id=name, item_id=name, time=START)
    ingest = Ingest()
    ingest.fold(records([*clicks, item]))
    assert ingest.dead == []
    assert keys.context(0, name) in ingest.stored
    query = Query(time=START + 1, request_id=name, user_id=name, candidates=["p3", "p4", name], explain=True)
    answer = shelf.answer(query, ingest.all_stored)
    clicked = next(one for one in answer.items if one.item_id == "p3")
    assert (clicked.features or {})["own_events"] >= 1
    assert encode(answer)
