"""Texts of people who look for a product: of great variety, the same every time, and none that says nothing."""

from __future__ import annotations

import csv
from collections import Counter
from random import Random

import pytest

from models.base.paths import DATA
from models.text.intent import PRODUCTS
from models.text.stopwords import STOP_WORDS
from models.text.words import normalise
from streams.offline.building.product_texts import Sources, _part, _says_something, product_texts

SOURCES = Sources(
    titles=["red tea set of 3", "the box of 40 oak pegs"],
    words=["prado", "lumina", "tivo"],
    nouns=["帐篷", "水壶", "电钻"],
    names=["海尔"],
)


def test_the_same_sources_give_the_same_distinct_texts() -> None:
    """Titles' parts, made-up names, models and Chinese all occur."""
    found = product_texts(SOURCES)
    assert found == product_texts(SOURCES)
    texts = [text for text, _ in found]
    assert len(set(texts)) == len(texts)
    assert {"red tea", "prado", "帐篷", "the prado"} <= set(texts)
    assert any("海尔" in text for text in texts)
    assert any(text[0].isalpha() and text[-1].isdigit() and " " not in text for text in texts)


@pytest.mark.parametrize(
    ("text", "says"),
    [("tea", True), ("wh-1000", True), ("205/55", True), ("12", False), ("oz", False), ("8 ct", False)],
)
def test_a_text_that_names_nothing_is_left_out(text: str, says: bool) -> None:
    """A size alone, or a unit, is no search for a product."""
    assert _says_something(text) is says


def test_no_part_of_a_title_begins_or_ends_with_a_stop_word() -> None:
    """Of two hundred parts of one title."""
    chance = Random(0)
    parts = {_part("the box of 40 oak pegs", chance) for _ in range(200)} - {""}
    assert "box of 40" in parts
    assert not [part for part in parts if {part.split()[0], part.split()[-1]} & STOP_WORDS]


def test_no_shipped_text_is_one_of_another_intent() -> None:
    """Some ten thousand of both languages, each once, and all of them product searches."""
    with (DATA / "intent" / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["intent"] for row in rows} == {"product_search"}
    languages = Counter(row["language"] for row in rows)
    assert min(languages["en"], languages["zh"]) > 4_000
    texts = [normalise(row["text"]) for row in rows]
    assert len(set(texts)) == len(texts)
    with (DATA / "intent" / "train.csv").open(encoding="utf-8", newline="") as file:
        others = {normalise(row["text"]) for row in csv.DictReader(file) if row["intent"] not in PRODUCTS}
    assert not others & set(texts)
