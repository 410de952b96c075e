"""Item events hold in the very next answer; what is deleted or sold out is shown nowhere."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from streamrank_client.events import Delete
from streamrank_client.fields import Filters, Range
from tests.support.composing import Answering
from tests.support.driving import AT
from tests.support.examples import at_most
from tests.support.shop import ITEMS, Shopper, ids, item


@pytest.fixture
def fresh(shop: Answering) -> Answering:
    """The small shop with a catalogue of its own, to change."""
    own = shop.with_models(catalogue=Catalogue(), lore=QueryLore())
    own.take(*ITEMS)
    return own


@pytest.mark.parametrize(
    ("title", "text"),
    [("Espresso machine", "espresso machine"), ("保温杯 500ml", "保温杯"), ("Zyx-9000 gadget", "zyx9000")],
)
def test_a_new_item_is_first_for_its_text_in_the_next_answer(fresh: Answering, title: str, text: str) -> None:
    """It has no history at all; before it came, it was in no answer."""
    shopper = Shopper(fresh)
    assert "new" not in ids(shopper.ask(text))
    fresh.take(item("new", title, time=AT + 1))
    assert ids(shopper.ask(text))[0] == "new"


def test_a_new_item_is_placed_near_its_like(fresh: Answering) -> None:
    """Beside a dress stand dresses, the new one among the first of them."""
    fresh.take(item("new", "Red cocktail dress with sleeves", 85.0, category=["女装", "dresses"], time=AT + 1))
    assert "new" in ids(Shopper(fresh).ask(item_id="dress-red"))[:3]


def test_a_changed_price_holds_in_the_next_answer(fresh: Answering) -> None:
    """In filters, and as an offer."""
    shopper = Shopper(fresh)
    cheap = Filters(price=Range(max=30))
    assert "dress-black" not in ids(shopper.ask("black dress", filters=cheap))
    fresh.take(item("dress-black", "Black evening dress", 30.0, list_price=120.0, time=AT + 1))
    assert ids(shopper.ask("black dress", filters=cheap))[0] == "dress-black"
    assert ids(Shopper(fresh).ask("any deals"))[0] == "dress-black"
    fresh.take(item("dress-black", "Black evening dress", 120.0, time=AT + 2))
    assert "dress-black" not in ids(shopper.ask("black dress", filters=cheap))


def test_sold_out_and_deleted_hold_in_the_next_answer_until_the_item_is_back(fresh: Answering) -> None:
    """It is found, gone, found, gone, found."""
    shopper = Shopper(fresh)
    sold_out = item("dress-black", "Black evening dress", in_stock=False, time=AT + 1)
    for event in (sold_out, Delete(time=AT + 3, item_id="dress-black")):
        there = item("dress-black", "Black evening dress", 120.0, time=event.time + 1)
        assert ids(shopper.ask("black evening dress"))[0] == "dress-black"
        fresh.take(event)
        assert "dress-black" not in ids(shopper.ask("black evening dress", limit=100))
        fresh.take(there)
    assert ids(shopper.ask("black evening dress"))[0] == "dress-black"


#: one query of each surface; the rerank candidates and the cart hold items that may be gone
ASKED: dict[str, dict[str, Any]] = {
    "search": {"text": "red dress"},
    "promotion": {"text": "any deals"},
    "browse": {"text": "女装"},
    "home": {},
    "similar": {"item_id": "i0"},
    "cart": {"cart": ["i1"]},
    "rerank": {"candidates": [f"i{n}" for n in range(6)]},
}
TITLES = ("Red dress", "Blue dress", "红色连衣裙", "Coffee beans", "小米手机", "Green tea")


class Stocked(RuleBasedStateMachine):
    """Items come, change, sell out and go; every answer is compared with a plain dict of what there is."""

    shop: ClassVar[Answering]
    #: answers that showed something, and answers given while something was gone
    showed: ClassVar[int] = 0
    missed: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        """An empty shop."""
        self.own = type(self).shop.with_models(catalogue=Catalogue(), lore=QueryLore())
        self.shopper = Shopper(self.own)
        self.there: dict[str, float] = {}
        self.known: set[str] = set()

    @rule(n=st.integers(0, 5), price=st.integers(1, 9), sold_out=st.booleans(), offer=st.booleans())
    def upsert(self, n: int, price: int, sold_out: bool, offer: bool) -> None:
        """An item event."""
        more: dict[str, Any] = {"list_price": 10.0} if offer else {}
        made = item(f"i{n}", TITLES[n], price, in_stock=not sold_out, category=["女装"] if n < 3 else [], **more)
        self.own.take(made)
        self.there.pop(made.item_id, None)
        self.known.add(made.item_id)
        if not sold_out:
            self.there[made.item_id] = price

    @rule(n=st.integers(0, 5))
    def delete(self, n: int) -> None:
        """A delete, of an item that is there or not."""
        self.own.take(Delete(time=AT, item_id=f"i{n}"))
        self.there.pop(f"i{n}", None)

    @rule(name=st.sampled_from(sorted(ASKED)), most=st.sampled_from((None, 5)))
    def ask(self, name: str, most: int | None) -> None:
        """Only what is there, within the filter, each once; re-ranking shows all of it."""
        filters = None if most is None else Filters(price=Range(max=most))
        found = ids(self.shopper.ask(**{"limit": 50, "filters": filters, **ASKED[name]}))
        allowed = {name for name, price in self.there.items() if most is None or price <= most}
        assert set(found) <= allowed
        assert len(set(found)) == len(found)
        if name == "rerank":
            assert set(found) == allowed
        type(self).showed += bool(found)
        type(self).missed += bool(self.known - self.there.keys())


def test_no_answer_ever_shows_what_is_gone(shop: Answering) -> None:
    """Whatever item events came before it, on every surface."""

    class Machine(Stocked):
        """The same for this shop."""

    Machine.shop = shop
    run_state_machine_as_test(Machine, settings=at_most(25, stateful_step_count=15))
    assert Machine.showed > 0
    assert Machine.missed > 0
