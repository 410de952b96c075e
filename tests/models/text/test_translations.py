"""What the dictionary has for words that no item holds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.text.translations import Translations


@pytest.fixture(scope="module")
def shipped() -> Translations:
    """The table that is shipped."""
    return Translations.load()


def read(shipped: Translations, tokens: Sequence[str], titles: str) -> list[tuple[str, str]]:
    """What is read for some tokens in a shop whose titles have some words."""
    held = titles.split().__contains__
    return [(one.of, " ".join(one.words)) for one in shipped.translate(tokens, held, held)]


@pytest.mark.parametrize(
    ("token", "titles", "meant"),
    [
        ("酸奶", "yogurt sour milk cream", "yogurt"), ("咖啡", "coffee tea", "coffee"), ("吉他", "guitar", "guitar"),
        ("洗发水", "shampoo", "shampoo"), ("牙膏", "tooth toothpaste", "toothpaste"), ("可乐", "cola", "cola"),
        ("yogurt", "酸奶 牛奶", "酸奶"), ("guitar", "吉他", "吉他"), ("toothpaste", "牙膏 牙刷", "牙膏"),
        ("aubergine", "eggplant", "eggplant"), ("courgette", "zucchini", "zucchini"),
        ("sake", "junmai rice wine", "japanese rice wine"),
    ],
)  # fmt: skip
def test_a_word_has_a_name_that_titles_hold(shipped: Translations, token: str, titles: str, meant: str) -> None:
    """In the other language, or another one in its own."""
    assert read(shipped, [token], titles) == [(token, meant)]


def test_the_catalogue_decides_between_meanings(shipped: Translations) -> None:
    """Of a word with several."""
    assert read(shipped, ["婴儿"], "baby food") == [("婴儿", "baby")]
    assert read(shipped, ["婴儿"], "infant formula") == [("婴儿", "infant")]


def test_what_is_found_is_left_as_it_is(shipped: Translations) -> None:
    """And so is what no title could say; what stands between is read by itself."""
    assert read(shipped, ["牛奶"], "牛奶 milk") == []
    assert read(shipped, ["酸奶"], "guitar") == []
    assert read(shipped, ["red", "吉他"], "red guitar") == [("吉他", "guitar")]


def test_words_together_are_one_name(shipped: Translations) -> None:
    """As many as the dictionary has."""
    assert read(shipped, ["mobile", "phone"], "手机 电话") == [("mobile phone", "手机")]
