"""Completing what a shopper types."""

from __future__ import annotations

import numpy as np
import pytest

from models.items.catalogue import Catalogue
from models.items.texts import fields
from models.lore.completion import complete
from models.lore.known_queries import KnownQueries, KnownQuery
from models.sample import sample_entry
from models.text.words import Words, normalise
from streamrank_client.vocabulary import key

TITLES = ("Red Tea", "Red Teapot", "Green Tea", "Café Crème", "速溶咖啡", "咖啡机", "노트북 거치대", "Milk Chocolate")


@pytest.fixture(scope="module")
def words() -> Words:
    """What cuts texts."""
    return Words.load()


def shop(words: Words, titles: tuple[str, ...] = TITLES) -> Catalogue:
    """A catalogue of these titles, cut as workers cut them."""
    catalogue = Catalogue(capacity=len(titles))
    catalogue.upsert([sample_entry(title, tokens=fields(words, title)[0]) for title in titles])
    return catalogue


def known(words: Words, *queries: tuple[str, float, str]) -> KnownQueries:
    """Known queries: text, weight, the title of what was chosen."""
    table, blank = KnownQueries(), np.zeros(64, "<f4").tobytes()
    for text, weight, item in queries:
        plain = normalise(text)
        query = KnownQuery(plain, key(plain), 0, weight, [key(item)], [weight], blank)
        table.put(query, words.tokens(plain))
    return table


def texts(typed: str, words: Words, table: KnownQueries | None = None, count: int = 10) -> list[tuple[str, str]]:
    """What completes a text in the shop: kind and text."""
    catalogue = shop(words)
    found = complete(typed, table or KnownQueries(), catalogue, words, catalogue.recommendable, count)
    return [(one.kind, one.text) for one in found]


def test_known_queries_come_first_the_heaviest_before_others(words: Words) -> None:
    """What others searched for stands before words of the catalogue and titles, each text once."""
    table = known(words, ("red tea", 5, "Red Tea"), ("red teapots", 50, "Red Teapot"), ("green tea", 9, "Green Tea"))
    assert texts("Red t", words, table) == [
        ("query", "red teapots"),
        ("query", "red tea"),
        ("word", "red teapot"),
    ]
    assert texts("Red t", words, table, count=1) == [("query", "red teapots")]


def test_what_one_person_typed_once_is_not_told_to_others(words: Words) -> None:
    """A known query of little weight is not suggested."""
    assert ("query", "red tea of anna") not in texts("red", words, known(words, ("red tea of anna", 2, "Red Tea")))


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("GRE", ("word", "green")),
        ("green t", ("word", "green tea")),
        ("cafe", ("title", "Café Crème")),
        ("CAFÉ cr", ("word", "cafe creme")),
        ("咖", ("word", "咖啡")),
        ("速溶咖", ("word", "速溶咖啡")),
        ("노트", ("word", "노트북")),
        ("milk ", ("title", "Milk Chocolate")),
    ],
)
def test_the_last_word_is_completed_in_any_language(typed: str, expected: tuple[str, str], words: Words) -> None:
    """With accents or without, with spaces between words or without."""
    assert expected in texts(typed, words)


def test_nothing_is_suggested_that_may_not_be_shown(words: Words) -> None:
    """Words, titles and known queries that lead to nothing but hidden items are left out."""
    catalogue, table = shop(words), known(words, ("green tea", 50, "Green Tea"), ("green", 9, "Green Tea"))
    shown = catalogue.recommendable.copy()
    assert complete("green", table, catalogue, words, shown, 10)
    shown[catalogue.row("Green Tea")] = False
    assert complete("green", table, catalogue, words, shown, 10) == []


def test_a_deleted_item_is_not_suggested(words: Words) -> None:
    """Once it is gone neither its title nor a word that it alone had is."""
    catalogue = shop(words)
    catalogue.delete("Milk Chocolate")
    assert complete("mil", KnownQueries(), catalogue, words, catalogue.recommendable, 10) == []


@pytest.mark.parametrize("typed", ["", "   ", "zzz", "%", "'"])
def test_what_nothing_begins_with_is_completed_by_nothing(typed: str, words: Words) -> None:
    """Neither are texts without a word."""
    assert texts(typed, words) == []
