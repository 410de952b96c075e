"""What the shopper means changes the answer of a search, and of nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.ask import AskingUser
from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.retrieval.intent_candidates import named, named_categories
from models.sample import asked
from models.text.intent import UNKNOWN
from state import keys
from state.records import COUNT
from streamrank_client.answers import Answer
from streamrank_client.making import behavior
from tests.support.composing import Answering
from tests.support.driving import AT, PARTITIONS, Ingest, records
from tests.support.shop import Shopper, ids
from tests.support.shop import item as made


@pytest.mark.parametrize("text", ["今天有什么优惠", "any deals"])
def test_a_promotion_hunt_gets_what_is_discounted_now(shop: Answering, text: str) -> None:
    """The two offers stand first; one that is over counts for nothing, and neither does a list price alone."""
    answer = Shopper(shop).ask(text)
    assert answer.intent is not None
    assert answer.intent.label == "promotion"
    assert set(ids(answer)[:2]) == {"coffee-offer", "tea-offer"}


def test_offers_of_a_product_are_offers_of_that_product(shop: Answering) -> None:
    """The discounted coffee stands first, for its discount; tea on offer stays behind coffee at its price."""
    answer = Shopper(shop).ask("coffee deals", explain=True)
    found = ids(answer)
    assert found[0] == "coffee-offer"
    assert found.index("coffee") < found.index("tea-offer")
    assert (answer.items[0].reasons or {})["intent:promotion"] > 0
    plain = Shopper(shop).ask("coffee beans", explain=True)
    assert all("intent:promotion" not in (item.reasons or {}) for item in plain.items)


def test_an_offer_counts_while_it_holds(shop: Answering) -> None:
    """The same promotion hunt before the end of an offer finds it first."""
    before = Shopper(shop).ask("any deals", at=AT - 10_000)
    assert ids(before)[0] == "coffee-over"


def test_offers_come_from_what_interests_the_user(shop: Answering) -> None:
    """A discount weighs more the nearer the item is to the user's interest; without one, the discount alone counts."""
    catalogue = shop.models.catalogue
    ask = asked("search", AT, asked="deals", tokens=("deal",), meant=("promotion", 0.9))
    offers = ["coffee-offer", "tea-offer"]
    plain = named(ask, catalogue, 9, catalogue.recommendable)
    assert [catalogue.ids[row] for row in plain.rows] == offers
    assert plain.weight.tolist() == [0.5, 0.25]
    interested = replace(ask, user=AskingUser(long=catalogue.compact[catalogue.row("tea-offer")]))
    weighed = named(interested, catalogue, 9, catalogue.recommendable)
    by_id = dict(zip((catalogue.ids[row] for row in weighed.rows), weighed.weight.tolist(), strict=True))
    assert by_id["tea-offer"] == pytest.approx(0.5, abs=1e-3)
    assert by_id["coffee-offer"] < 1
    sold_out = catalogue.recommendable.copy()
    sold_out[catalogue.row("coffee-offer")] = False
    assert [catalogue.ids[row] for row in named(interested, catalogue, 9, sold_out).rows] == ["tea-offer"]


def test_a_product_question_gets_the_product_in_question_first(shop: Answering) -> None:
    """The one that the text names."""
    answer = Shopper(shop).ask("is the pixel 8 worth it")
    assert answer.intent is not None
    assert answer.intent.label == "product_question"
    assert ids(answer)[0] == "pixel"


@pytest.mark.parametrize("text", ["这个商品怎么样", "is it true to size"])
def test_a_question_about_this_one_is_about_the_product_viewed_last(shop: Answering, text: str) -> None:
    """What was viewed in the last half hour stands first; what was viewed before that does not."""
    for item in ("boots-red", "coat"):
        ingest = Ingest()
        view = behavior("view", event_id="e1", user_id="u1", item_id=item, time=AT)
        ingest.fold(records([view]))
        soon, late = (Shopper(shop, ingest.stored).ask(text, at=AT + gap, explain=True) for gap in (60_000, 3_600_000))
        assert ids(soon)[0] == item
        assert _effect(late, item) < _effect(soon, item)


def _effect(answer: Answer, item: str) -> float:
    """What the question adds to the item's score."""
    return sum((one.reasons or {}).get("intent:product_question", 0.0) for one in answer.items if one.item_id == item)


def test_a_product_question_prefers_well_rated_products(shop: Answering) -> None:
    """Ten ratings of 5 raise an item by more than ten of 1 do; a search for products knows no such effect."""

    def raised(stars: float, text: str) -> float:
        counts = np.zeros(1, COUNT)
        counts["kinds"][0, 5], counts["ratings"] = 10, 10 * stars
        key = int(shop.models.catalogue.keys[shop.models.catalogue.row("pixel")])
        stored = {keys.counts(PARTITIONS, key): counts.tobytes()}
        answer = Shopper(shop, stored).ask(text, explain=True)
        (pixel,) = [one for one in answer.items if one.item_id == "pixel"]
        return (pixel.reasons or {}).get("intent:product_question", 0.0)

    question = "which phone takes better photos"
    assert raised(5.0, question) > raised(1.0, question)
    assert raised(5.0, "pixel phone") == raised(1.0, "pixel phone") == 0


@pytest.mark.parametrize("text", ["女装", "女装有哪些"])
def test_browsing_a_category_gets_that_category_in_its_breadth(shop: Answering, text: str) -> None:
    """All items of the category come first, and not all of the first ones are of one kind."""
    answer = Shopper(shop).ask(text, limit=6)
    assert answer.intent is not None
    assert answer.intent.label == "category_browse"
    catalogue = shop.models.catalogue
    paths = [catalogue.categories.paths[catalogue.category[catalogue.row(item)]] for item in ids(answer)]
    inside = [path for path in paths if path[0] == "女装"]
    assert len(inside) >= 4
    assert paths[0][0] == "女装"
    assert {path[-1] for path in inside} == {"dresses", "裙子", "外套"}


def test_breadth_changes_places_among_what_matches_only(shop: Answering) -> None:
    """A brand of ten of twelve dresses gets a third of the first page; no other kind comes before a dress."""
    own = shop.with_models(catalogue=Catalogue(), lore=QueryLore())
    own.take(
        *(made(f"oz{n}", f"Oz dress {n}", 50 + n, category=["clothes", "dresses"], brand="Oz") for n in range(10)),
        *(made(f"ur{n}", f"Ur dress {n}", 50 + n, category=["clothes", "dresses"], brand="Ur") for n in range(4)),
        *(made(f"mi{n}", f"Mi dress {n}", 50 + n, category=["clothes", "dresses"], brand="Mi") for n in range(4)),
        *(made(f"x{n}", f"Washing machine {n}", 400, category=["home", f"k{n}"], brand=f"B{n}") for n in range(9)),
    )
    for text in ("dresses", "show me all your dresses"):
        answer = Shopper(own).ask(text, limit=9, explain=True)
        assert answer.intent is not None
        assert answer.intent.label == "category_browse"
        assert Counter(name[:2] for name in ids(answer)) == {"oz": 3, "ur": 3, "mi": 3}
        assert any((one.reasons or {}).get("breadth") for one in answer.items)
        whole = Shopper(own).ask(text, limit=50)
        assert all("x" not in name for name in ids(whole)[:18])


def test_the_longest_category_that_a_text_names_counts(shop: Answering) -> None:
    """By whole words and any number in English, anywhere in Chinese; deep or not."""
    catalogue = shop.models.catalogue

    def paths(text: str) -> set[tuple[str, ...]]:
        ask = asked("search", AT, asked=text)
        return {catalogue.categories.paths[code] for code in named_categories(ask, catalogue)}

    assert paths("show me a DRESS please") == {("女装", "dresses")}
    assert paths("看看女裝") == {("女装",), ("女装", "dresses"), ("女装", "裙子"), ("女装", "外套")}
    assert paths("address book") == set()


@pytest.mark.parametrize("text", ["where is my order", "我要退货", "你好", "thank you"])
def test_service_and_small_talk_are_told_and_take_no_item_away(shop: Answering, text: str) -> None:
    """The client decides; what it says is no search that the next one could refine."""
    shopper = Shopper(shop)
    answer = shopper.ask(text)
    assert answer.intent is not None
    assert answer.intent.label in ("order_service", "chitchat_other")
    assert answer.items
    assert keys.session(0, "u1") not in shopper.stored


def test_small_talk_that_names_a_product_finds_it(shop: Answering) -> None:
    """All its words are in one title; or shoppers chose something after it before."""
    assert ids(Shopper(shop).ask("hello world"))[0] == "mug"


def test_the_text_of_another_surface_changes_nothing(shop: Answering) -> None:
    """A promotion text on the home feed adds nothing to the scores."""
    answer = Shopper(shop).ask("any deals", surface="home", explain=True)
    assert answer.items
    assert not any(name.startswith("intent:") for one in answer.items for name in one.reasons or {})


def test_an_unclear_text_changes_nothing(shop: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the label `unknown`, whatever the probabilities are."""
    monkeypatch.setattr(shop.models.intent, "decide", lambda _: SimpleNamespace(label=UNKNOWN, confidence=0.4))
    for text in ("any deals", "is the pixel 8 worth it", "女装", "where is my order"):
        answer = Shopper(shop).ask(text, explain=True)
        assert answer.items
        assert not any(name.startswith("intent:") for one in answer.items for name in one.reasons or {})


def test_effects_are_part_of_the_explanation(shop: Answering) -> None:
    """The contributions, that of the intent among them, add up to the score."""
    answer = Shopper(shop).ask("any deals", explain=True)
    first = answer.items[0]
    assert (first.reasons or {})["intent:promotion"] > 0
    for one in answer.items:
        assert sum((one.reasons or {}).values()) == pytest.approx(one.score, abs=1e-4)
