"""Real product searches are rarely taken for something else, and what the bench says of them is what was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.shop_queries import best_buy, chinese_queries, holding, knowing, most_frequent, taken
from models.ask import AskedText
from tests.support.composing import composed


def test_each_text_is_counted_by_what_it_is_taken_for() -> None:
    """A greeting is something else, a sign is unknown, and a product is neither."""
    found = taken(composed().models, ["hello", "?!", "whole milk", "red cocktail dress"])
    assert found == (4, 0.25, 0.25)


def test_the_most_frequent_texts_come_first_as_they_were_typed() -> None:
    """Two spellings are two texts, and what says nothing is left out."""
    assert most_frequent(["b", "A", "a", " ", "b", "a", "b"], 2) == ["b", "a"]


def test_a_shop_that_holds_or_knows_a_text_takes_it_for_a_product_more_often() -> None:
    """A title that sounds like small talk, and a query that was searched before."""
    bare = composed().models
    text = "you don't know jack"
    assert taken(bare, [text]).other == 1
    shop = holding(bare, ["You Don't Know Jack - Xbox 360", "Whole milk"])
    assert shop.catalogue.titles == ["You Don't Know Jack - Xbox 360", "Whole milk"]
    before = bare.intent.probabilities(bare.encoder.encode([text]).vector, [text])[0, 0]
    for models in (shop, knowing(bare, [text])):
        (read,) = models.understand([AskedText(text)])
        assert read.intent[0] > 2 * before


def test_few_chinese_product_searches_are_taken_for_something_else(data_set: Callable[[str], Path]) -> None:
    """At most 2 % of 5,000, of a worker that knows nothing yet, and few more are unknown."""
    asked = chinese_queries(data_set("search_relevance").parent)
    found = taken(composed().models, asked)
    assert found.texts == 5_000
    assert found.other <= 0.02
    assert found.unknown <= 0.03


def test_few_of_the_most_frequent_product_searches_are_taken_for_something_else(
    data_set: Callable[[str], Path],
) -> None:
    """At most 1 % of 1,000 of Best Buy, of a worker that knows nothing yet, and few more are unknown."""
    _, asked = best_buy(data_set("bestbuy_acm").parent)
    found = taken(composed().models, most_frequent(asked))
    assert found.texts == 1_000
    assert found.other <= 0.01
    assert found.unknown <= 0.03
