"""What a result page needs beside its items: the number of matches, facets, and another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from state import keys
from state.records import COUNT
from streamrank_client.answers import FacetValue
from streamrank_client.fields import Filters
from streamrank_client.vocabulary import RATING, key
from tests.support.composing import Answering
from tests.support.driving import PARTITIONS
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
