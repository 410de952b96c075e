"""A guess never deletes, and is always told: what is near a text stays, whatever it is taken for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from streamrank_client.events import Item
from tests.support.composing import Answering
from tests.support.driving import AT
from tests.support.shop import NOW, Shopper, ids, item

DAY = 86_400_000
OLD = AT - 60 * DAY


def stocked(shop: Answering, *items: Item) -> Answering:
    """The models in use with a catalogue of these items, all of them old."""
    own = shop.with_models(catalogue=Catalogue(), lore=QueryLore())
    own.take(*items)
    return own


def titled(*titles: str) -> list[Item]:
    """Old items whose ids are their titles."""
    return [item(title, title, time=OLD) for title in titles]


FILLING = titled(*(f"{kind} {what}" for kind in ("Oak", "Steel", "Glass") for what in ("vase", "lamp", "rug", "bowl")))


@pytest.mark.parametrize("label", ["order_service", "chitchat_other"])
@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("ticket holder", "Ticket wallet for concerts"),
        ("package tape", "Parcel tape dispenser"),
        ("雨伞", "Folding umbrella"),
        ("weather station", "Wireless thermometer and barometer"),
    ],
)
def test_an_intent_for_no_product_leaves_the_page_as_it_is(
    shop: Answering, monkeypatch: pytest.MonkeyPatch, label: str, text: str, title: str
) -> None:
    """It is told; the item that fits stays first, and no item is missing that `unknown` would show."""
    own = stocked(shop, *titled(title), *FILLING)
    pages = []
    for meant in (label, "unknown"):
        monkeypatch.setattr(
            own.models.intent, "decide", lambda _, meant=meant: SimpleNamespace(label=meant, confidence=0.99)
        )
        answer = Shopper(own).ask(text)
        assert answer.intent is not None
        assert answer.intent.label == meant
        pages.append(ids(answer))
    assert pages[0] == pages[1]
    assert pages[0][0] == title


@pytest.mark.parametrize("label", ["promotion", "product_question", "category_browse", "order_service"])
@pytest.mark.parametrize("text", ["oak lamp", "steel bowl", "glass rug"])
def test_no_intent_shortens_a_page(shop: Answering, monkeypatch: pytest.MonkeyPatch, label: str, text: str) -> None:
    """The same items as without one, in whatever order; the one that holds all words is still first."""
    own = stocked(shop, *FILLING)
    plain = Shopper(own).ask(text, limit=50)
    monkeypatch.setattr(own.models.intent, "decide", lambda _: SimpleNamespace(label=label, confidence=0.99))
    guessed = Shopper(own).ask(text, limit=50)
    assert set(ids(guessed)) >= set(ids(plain))
    assert ids(guessed)[0].lower() == text


@pytest.mark.parametrize(
    ("text", "title", "looks_like"),
    [
        ("skirt", "百褶半身裙", "T-shirt"),
        ("guitar", "民谣吉他", "Guitars and more poster"),
        ("bread", "全麦面包", "Dread novel"),
        ("pencil", "铅笔 十支装", "Stencil set"),
    ],
)
def test_a_word_that_finds_something_by_meaning_is_not_corrected(
    shop: Answering, text: str, title: str, looks_like: str
) -> None:
    """A title in another language fits; a word of another title that looks like it is not searched for instead."""
    other = titled(looks_like, f"{looks_like} 2")
    answer = Shopper(stocked(shop, *titled(title), *other)).ask(text, explain=True)
    assert answer.understood is not None
    assert answer.understood.corrected == ""
    assert title in ids(answer)[:3]


@pytest.mark.parametrize(("text", "corrected"), [("candel", "candle"), ("kettel", "kettle"), ("blanekt", "blanket")])
def test_a_correction_is_told_without_explain(shop: Answering, text: str, corrected: str) -> None:
    """With the word that it stands for; the item is first."""
    kinds = ("candle", "kettle", "blanket")
    own = stocked(shop, *titled(*(f"{colour} {kind}" for kind in kinds for colour in ("Red", "Blue"))))
    answer = Shopper(own).ask(text)
    assert answer.understood is not None
    assert answer.understood.corrected == corrected
    assert [(one.of, one.term) for one in answer.understood.expansions] == [(text, corrected)]
    assert corrected in ids(answer)[0]


COFFEES = [
    item("ground", "Ground coffee", 6.0, list_price=8.0, time=OLD),
    item("instant", "Instant coffee", 7.0, time=OLD),
    item("shampoo", "Hair shampoo", 5.0, list_price=6.0, time=OLD),
    item("diapers", "Baby diapers", 20.0, list_price=25.0, time=OLD),
    item("chicken", "Chicken wings", 2.0, list_price=9.0, time=OLD),
    item("candle", "Scented candle", 1.0, list_price=9.0, time=OLD),
    item("vitamins", "Vitamin pills", 3.0, list_price=20.0, time=OLD),
    item("free", "Store catalogue", 0.0, list_price=9.0, time=OLD),
]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("有什么优惠的咖啡", "ground"),
        ("coffee on sale", "ground"),
        ("洗发水打折吗", "shampoo"),
        ("纸尿裤特价", "diapers"),
    ],
)
def test_a_hunt_for_offers_of_a_product_finds_that_product(shop: Answering, text: str, first: str) -> None:
    """By words or by meaning, across languages; larger discounts of other things stay behind."""
    answer = Shopper(stocked(shop, *COFFEES)).ask(text, explain=True)
    assert answer.intent is not None
    assert answer.intent.label == "promotion"
    assert ids(answer)[0] == first
    raised = {one.item_id for one in answer.items if (one.reasons or {}).get("intent:promotion", 0) > 0}
    assert raised <= {first, "instant"}


def test_a_price_of_nothing_is_no_discount(shop: Answering) -> None:
    """An item at price 0 is no offer of 100 %."""
    answer = Shopper(stocked(shop, *COFFEES)).ask("any deals", explain=True)
    found = {one.item_id: one.reasons or {} for one in answer.items}
    assert found["candle"]["intent:promotion"] > 0
    assert found.get("free", {}).get("intent:promotion", 0) == 0


REFINED = titled(
    "Brake disc front", "Brake disc rear", "Seal 77120", "Fahrenheit 451", "Dune part one", "Dune part two",
    "Linen shirt white", "Linen shirt blue", "Silver", "Trail shoes 42", "Road shoes 43", "Model 42 lamp",
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "text", "first"),
    [
        ("brake disc", "77120", "Seal 77120"),
        ("dune", "451", "Fahrenheit 451"),
        ("linen shirt", "77120", "Seal 77120"),
        ("linen shirt", "silver", "Silver"),
    ],
)
def test_what_nothing_found_before_has_is_a_search_of_its_own(
    shop: Answering, before: str, text: str, first: str
) -> None:
    """A number or a colour refines nothing then; the item that holds it is first."""
    shopper = Shopper(stocked(shop, *REFINED))
    shopper.ask(before)
    answer = shopper.ask(text)
    assert answer.understood is None
    assert ids(answer)[0] == first


@pytest.mark.parametrize(
    ("before", "text", "first"),
    [("linen shirt", "blue", "Linen shirt blue"), ("shoes", "42", "Trail shoes 42"), ("shoes", "43", "Road shoes 43")],
)
def test_what_something_found_before_has_refines(shop: Answering, before: str, text: str, first: str) -> None:
    """Also where others hold the number too."""
    shopper = Shopper(stocked(shop, *REFINED))
    shopper.ask(before)
    answer = shopper.ask(text)
    assert answer.understood is not None
    assert answer.understood.refined_from == before
    assert ids(answer)[0] == first


@pytest.mark.parametrize(
    ("text", "first"), [("couch", "Three-seat sofa"), ("trousers", "Denim jeans"), ("雨伞", "Umbrella")]
)
def test_a_new_item_is_searched_only_if_it_matches(shop: Answering, text: str, first: str) -> None:
    """New ones that have nothing to do with the text, or no title, are not named as new; one that fits is."""
    fresh = [item("oil", "Engine oil 5W-30", time=NOW - DAY), item("leash", "Dog leash", time=NOW - DAY)]
    untitled = Item(time=NOW - DAY, item_id="untitled", category=["home"], price=3.0)
    goods = titled("Three-seat sofa", "Denim jeans", "Umbrella")
    answer = Shopper(stocked(shop, *goods, *FILLING, *fresh, untitled)).ask(text, limit=20)
    sources = {one.item_id: one.sources for one in answer.items}
    assert ids(answer)[0] == first
    assert "untitled" not in sources
    for name in ("oil", "leash"):
        assert "new_arrivals" not in sources.get(name, [])
    own = item("own", first, time=NOW - DAY)
    again = Shopper(stocked(shop, *goods, *fresh, own)).ask(text, limit=20)
    assert "new_arrivals" in {one.item_id: one.sources for one in again.items}["own"]
