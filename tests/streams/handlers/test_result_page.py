"""What a result page needs beside its items: the number of matches, facets, and another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from state import keys
from state.records import COUNT
from streamrank_client.answers import FacetValue, ItemDetails
from streamrank_client.events import Item
from streamrank_client.fields import Filters
from streamrank_client.vocabulary import RATING, key
from tests.support.composing import Answering
from tests.support.driving import AT, PARTITIONS
from tests.support.shop import Shopper, ids

DRESSES = ["dress-plain", "dress-blue", "dress-red", "dress-black"]


def test_a_search_tells_how_many_match(shop: Answering) -> None:
    """Whatever the page's size; a feed tells nothing unless it is asked."""
    shopper = Shopper(shop)
    assert shopper.ask("dress", limit=2).matches == 4
    assert shopper.ask("dress", limit=2, filters=Filters(attributes={"colour": "red"})).matches == 2
    assert shopper.ask().matches is None
    assert shopper.ask(facets=["brand"], filters=Filters(category=["手机"])).matches == 3


@pytest.mark.parametrize("sort", ["price", "price_desc"])
def test_matches_by_price_page_by_page(shop: Answering, sort: str) -> None:
    """All that match and nothing else, in that order, no item twice."""
    shopper = Shopper(shop)
    pages = [ids(shopper.ask("dress", sort=sort, limit=3, offset=offset)) for offset in (0, 3, 6)]
    assert pages[0] + pages[1] + pages[2] == (DRESSES if sort == "price" else DRESSES[::-1])


def test_facets_count_with_the_filters_of_others(shop: Answering) -> None:
    """The facet of a filter that is set shows what else there is."""
    answer = Shopper(shop).ask(
        "dress", facets=["colour", "category", "price"], filters=Filters(attributes={"colour": "blue"})
    )
    assert ids(answer) == ["dress-blue"]
    assert answer.facets["colour"] == [FacetValue(2, "red"), FacetValue(1, "black"), FacetValue(1, "blue")]
    assert answer.facets["category"] == [FacetValue(1, "女装"), FacetValue(1, "女装 > dresses")]
    assert sum(one.count for one in answer.facets["price"]) == 1


def test_matches_by_rating(shop: Answering) -> None:
    """The mean of what was counted decides; unrated ones stand last."""
    stored = {}
    for item, stars, times in (("dress-black", 9.0, 2), ("dress-red", 5.0, 1), ("coffee", 50.0, 10)):
        row = np.zeros(1, COUNT)
        row["kinds"][0, RATING], row["ratings"] = times, stars
        stored[keys.counts(PARTITIONS, key(item))] = row.tobytes()
    found = ids(Shopper(shop, stored).ask("dress", sort="rating"))
    assert found[:2] == ["dress-red", "dress-black"]
    assert sorted(found) == sorted(DRESSES)


def test_an_order_asked_for_explores_nothing(shop: Answering) -> None:
    """Each item stands where it is with certainty."""
    given: dict[str, Any] = {"sort": "newest", "limit": 5}
    answer = Shopper(shop).ask("dress", **given)
    assert {one.propensity for one in answer.items} == {1.0}
    assert answer.exploration == "none"


def test_details_are_told_where_they_are_asked_for() -> None:
    """Title, brand, links and what an item costs at the time of the query: the promotion's price until it ends."""
    page, picture = "https://shop.example/tee", "https://shop.example/tee.png"
    tee = Item(time=AT, item_id="tee", title="Linen <b>tee</b>", brand="Oz", link=page, image_link=picture)
    tee = replace(tee, price=19.99, list_price=25.5, valid_to=AT + 10_000)
    shopper = Shopper(Answering.of([tee, Item(time=AT, item_id="mug", title="Linen mug")]))
    known = ItemDetails("Linen tee", "Oz", 19.99, 25.5, page, picture)
    found = {one.item_id: one.details for one in shopper.ask("linen", at=AT, details=True).items}
    assert found == {"tee": known, "mug": ItemDetails("Linen mug")}
    (later,) = [one for one in shopper.ask("linen", at=AT + 60_000, details=True).items if one.item_id == "tee"]
    assert later.details == replace(known, price=25.5, list_price=None)
    assert [one.details for one in shopper.ask("linen", at=AT).items] == [None, None]


def test_links_follow_the_items_last_event() -> None:
    """Those of an event without any are gone."""
    shop = Answering.of([Item(time=AT, item_id="tee", title="tee", link="https://shop.example/tee")])
    shop.take(Item(time=AT + 1, item_id="tee", title="tee"))
    assert [one.details for one in Shopper(shop).ask("tee", at=AT, details=True).items] == [ItemDetails("tee")]
