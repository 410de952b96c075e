"""What a user disliked is not shown to that user, until it is put in a basket or bought."""

from __future__ import annotations

from typing import Any, Final

import pytest

from streamrank_client.making import behavior
from streamrank_client.rules import Rule
from streamrank_client.vocabulary import DAY_MS
from tests.support.composing import Answering
from tests.support.driving import AT, Ingest, records
from tests.support.shop import NOW, Shopper, ids

FEEDS: Final[dict[str, dict[str, Any]]] = {"home": {}, "similar": {"item_id": "dress-blue"}, "cart": {"cart": ["coat"]}}


def after(*done: tuple[str, str]) -> dict[bytes, bytes]:
    """What is stored after u1 did something, a millisecond apart."""
    ingest = Ingest()
    given = [
        behavior(kind, event_id=f"e{n}", user_id="u1", item_id=item, time=AT + n) for n, (kind, item) in enumerate(done)
    ]
    ingest.fold(records(given))
    assert ingest.dead == []
    return ingest.stored


def shown(shop: Answering, stored: dict[bytes, bytes], at: int = NOW, **asked: Any) -> list[str]:
    """Ids of an answer to u1."""
    return ids(Shopper(shop, stored).ask(at=at, limit=100, **asked))


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("many", [1, 40])
def test_a_disliked_item_is_in_no_feed(shop: Answering, feed: str, many: int) -> None:
    """However much its user did on it before and on others since: it is kept beyond the last 32 events."""
    stored = after(
        ("click", "dress-red"), ("add_to_cart", "dress-red"), ("dislike", "dress-red"),
        *[("click", "coffee"), ("view", "mug")] * many,
    )  # fmt: skip
    assert "dress-red" in shown(shop, {}, **FEEDS[feed])
    assert "dress-red" not in shown(shop, stored, **FEEDS[feed])


@pytest.mark.parametrize("feed", FEEDS)
def test_it_comes_back_after_its_days(shop: Answering, feed: str) -> None:
    """90 days by default."""
    stored = after(("dislike", "dress-red"))
    assert "dress-red" not in shown(shop, stored, at=AT + 89 * DAY_MS, **FEEDS[feed])
    assert "dress-red" in shown(shop, stored, at=AT + 91 * DAY_MS, **FEEDS[feed])


@pytest.mark.parametrize("kind", ["add_to_cart", "purchase"])
def test_a_later_basket_ends_it(shop: Answering, kind: str) -> None:
    """So does a purchase; a click does not."""
    assert "dress-red" in shown(shop, after(("dislike", "dress-red"), (kind, "dress-red")))
    assert "dress-red" not in shown(shop, after((kind, "dress-red"), ("dislike", "dress-red")))
    assert "dress-red" not in shown(shop, after(("dislike", "dress-red"), ("click", "dress-red")))


def test_in_a_search_it_sinks(shop: Answering) -> None:
    """Behind all others, and can be found."""
    found = shown(shop, after(("click", "dress-red"), ("dislike", "dress-red")), text="red dress")
    assert found[-1] == "dress-red"
    assert shown(shop, {}, text="red dress")[-1] != "dress-red"


@pytest.mark.parametrize("feed", FEEDS)
def test_a_pin_does_not_bring_it_back(shop: Answering, feed: str) -> None:
    """The shop's wish ends where the user's begins."""
    pinned = Answering.of()
    pinned.tables.models = shop.models
    pinned.take(Rule(time=AT, rule_id="pin", action="pin", item_ids=["dress-red"]))
    try:
        assert shown(pinned, {}, **FEEDS[feed])[0] == "dress-red"
        assert "dress-red" not in shown(pinned, after(("dislike", "dress-red")), **FEEDS[feed])
    finally:
        pinned.models.rule_book.delete("pin")


def test_others_see_it(shop: Answering) -> None:
    """It is that user's alone."""
    stored = after(("dislike", "dress-red"))
    assert "dress-red" in ids(Shopper(shop, stored, user_id="u2").ask(limit=100))
