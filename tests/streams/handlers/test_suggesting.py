"""Queries that have a text completed instead of answered."""

from __future__ import annotations

import pytest

from streamrank_client.answers import Suggestion
from streamrank_client.events import Delete, Query
from streamrank_client.fields import Filters
from streamrank_client.rules import Rule
from tests.support.composing import Answering
from tests.support.shop import ITEMS, NOW, Shopper


@pytest.fixture
def own_shop() -> Answering:
    """The shop, for tests that change it."""
    return Answering.of(ITEMS)


def texts(suggestions: list[Suggestion]) -> list[str]:
    """What is suggested."""
    return [one.text for one in suggestions]


def test_a_text_is_completed_and_nothing_is_kept_of_it(shop: Answering) -> None:
    """The answer has suggestions and no items; no impression and no session is stored."""
    query = Query(time=NOW, request_id="s1", user_id="u1", text="Colom", suggest=True)
    answered = shop.answers(query)
    (answer,) = answered.answers
    assert (answer.request_id, answer.surface, answer.items) == ("s1", "search", [])
    assert answer.suggestions == [
        Suggestion("colombian", "word"),
        Suggestion("Colombian coffee beans", "title", "coffee"),
    ]
    assert answered.expiring == []


def test_suggestions_and_answers_keep_their_order(shop: Answering) -> None:
    """Queries of both kinds that are answered together have each their own answer."""
    queries = [
        Query(time=NOW, request_id=f"r{n}", user_id=f"u{n}", text="coffee", suggest=n % 2 == 0, limit=3)
        for n in range(4)
    ]
    answers = shop.answers(*queries).answers
    assert [one.request_id for one in answers] == ["r0", "r1", "r2", "r3"]
    assert [bool(one.items) for one in answers] == [False, True, False, True]


def test_chinese_is_completed(shop: Answering) -> None:
    """Without spaces between words."""
    assert "蓝色连衣裙" in texts(Shopper(shop).ask("蓝色", suggest=True).suggestions)


def test_filters_say_what_may_be_suggested(shop: Answering) -> None:
    """A word that only other items hold is left out."""
    shopper = Shopper(shop)
    assert "red" in texts(shopper.ask("r", suggest=True).suggestions)
    among = Filters(category=["drinks"])
    assert texts(shopper.ask("r", suggest=True, filters=among).suggestions) == ["roast"]


def test_what_is_hidden_sold_out_or_gone_is_not_suggested(own_shop: Answering) -> None:
    """Neither by its title nor by a word that nothing else has."""
    shopper = Shopper(own_shop)
    assert texts(shopper.ask("pix", suggest=True).suggestions) == ["pixel", "Pixel 8 phone"]
    own_shop.take(Rule(time=NOW, rule_id="no-pixel", action="hide", item_ids=["pixel"]))
    assert texts(shopper.ask("pix", suggest=True).suggestions) == []
    own_shop.take(Delete(time=NOW, item_id="mug"))
    assert texts(shopper.ask("mug", suggest=True).suggestions) == []
