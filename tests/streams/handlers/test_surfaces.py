"""Every surface is answered in every state: cold, warm, and with nothing left to show."""

from __future__ import annotations

from typing import Any, Final

import pytest

from models.items.catalogue import Catalogue
from streamrank_client.fields import Filters, Range
from streamrank_client.making import behavior
from tests.support.composing import Answering
from tests.support.driving import AT, Ingest, records
from tests.support.shop import ITEMS, Shopper, ids

#: a query of each surface that has something to show
ASKED: Final[dict[str, dict[str, Any]]] = {
    "search": {"text": "dress"},
    "home": {},
    "similar": {"item_id": "dress-red"},
    "cart": {"cart": ["dress-red", "coat"]},
    "rerank": {"candidates": ["coat", "mi", "mug"]},
}
EVERYTHING: Final = [one.item_id for one in ITEMS]
#: what leaves nothing to show, on any surface
NOTHING_LEFT: Final[dict[str, dict[str, Any]]] = {
    "an unknown category": {"filters": Filters(category=["no such"])},
    "an unknown brand": {"filters": Filters(brand=["no such"])},
    "an unknown attribute": {"filters": Filters(attributes={"colour": "no such"})},
    "a price that nothing has": {"filters": Filters(price=Range(min=1e9))},
    "sold-out items only": {"filters": Filters(in_stock=False)},
    "everything excluded": {"exclude": EVERYTHING},
    "a page past the end": {"offset": 900},
}
#: queries that name nothing that the catalogue holds, and whether there is something to show for them all the same
UNKNOWN: Final[dict[str, tuple[dict[str, Any], bool]]] = {
    "search": ({"text": "sofa"}, True),
    "home": ({"exclude": ["never-seen"]}, True),
    "similar": ({"item_id": "never-seen"}, False),
    "cart": ({"cart": ["never-seen"]}, True),
    "rerank": ({"candidates": ["never-seen"]}, False),
}


def known() -> dict[bytes, bytes]:
    """What is stored after u1 viewed and bought a few items."""
    ingest = Ingest()
    done = (("view", "dress-blue"), ("click", "coat"), ("purchase", "mi"), ("view", "coffee"), ("dislike", "tea-offer"))
    ingest.fold(
        records(
            [
                behavior(kind, event_id=f"e{n}", user_id="u1", item_id=item, time=AT + n)
                for n, (kind, item) in enumerate(done)
            ]
        )
    )
    return ingest.stored


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("surface", ASKED)
def test_an_empty_catalogue_is_answered_with_nothing(shop: Answering, surface: str, explain: bool) -> None:
    """Whoever asks, known or not; no impression and no session is kept."""
    empty = shop.with_models(catalogue=Catalogue())
    for stored in ({}, known()):
        for user in ("u1", None):
            shopper = Shopper(empty, stored)
            answer = shopper.ask(**ASKED[surface], user_id=user, explain=explain)
            assert (answer.surface, answer.items, answer.error) == (surface, [], None)
            assert shopper.stored == stored


@pytest.mark.parametrize("surface", ASKED)
@pytest.mark.parametrize("state", ["cold", "warm", "nobody"])
def test_a_surface_shows_items_to_everybody(shop: Answering, surface: str, state: str) -> None:
    """Strangers, known users and nobody get distinct items, none of them the query's own."""
    shopper = Shopper(shop, known() if state == "warm" else {})
    answer = shopper.ask(**ASKED[surface], user_id=None if state == "nobody" else "u1", explain=True)
    found = ids(answer)
    assert answer.surface == surface
    assert found
    assert len(set(found)) == len(found) <= 10
    assert not set(found) & {ASKED[surface].get("item_id"), *ASKED[surface].get("cart", [])}
    if surface == "rerank":
        assert set(found) == set(ASKED[surface]["candidates"])
    assert all(sum((one.reasons or {}).values()) == pytest.approx(one.score, abs=1e-4) for one in answer.items)


@pytest.mark.parametrize("why", NOTHING_LEFT)
@pytest.mark.parametrize("surface", ASKED)
def test_where_nothing_is_left_the_answer_is_empty(shop: Answering, surface: str, why: str) -> None:
    """No item beyond the filter is shown to fill the page, and nothing fails."""
    for stored in ({}, known()):
        shopper = Shopper(shop, stored)
        answer = shopper.ask(**{**ASKED[surface], **NOTHING_LEFT[why]}, explain=True)
        assert (answer.surface, answer.items, answer.error) == (surface, [], None)
        assert shopper.stored == stored


@pytest.mark.parametrize("surface", UNKNOWN)
def test_unknown_ids_and_words_are_left_out(shop: Answering, surface: str) -> None:
    """What does not depend on them is shown."""
    given, something = UNKNOWN[surface]
    answer = Shopper(shop).ask(**given)
    assert (answer.surface, answer.error) == (surface, None)
    assert "never-seen" not in ids(answer)
    assert bool(answer.items) or not something


@pytest.mark.parametrize("surface", ASKED)
def test_a_surface_named_without_what_it_needs_is_answered(shop: Answering, surface: str) -> None:
    """Only re-ranking nothing shows nothing for certain."""
    answer = Shopper(shop).ask(surface=surface)
    assert (answer.surface, answer.error) == (surface, None)
    assert surface != "rerank" or answer.items == []
