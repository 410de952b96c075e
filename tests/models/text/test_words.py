"""Texts are folded and cut the same way for titles and queries, in both languages."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import TextError
from models.text.units import UNITS, join_units
from models.text.words import Words, normalise, singular
from streams.settings import checkout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＩＰＨＯＮＥ　１５", "iphone 15"),
        ("女裝 連衣裙 紅色", "女装 连衣裙 红色"),
        ("婴\u200b儿奶粉\ufeff", "婴儿奶粉"),
        ("a\tb\x00c\nd", "a b c d"),
        ("Straße", "strasse"),
        ("①㎖", "1ml"),
        ("", ""),
        ("lone \ud800 surrogate", "lone surrogate"),
    ],
)
def test_a_text_is_folded(text: str, expected: str) -> None:
    """Width, case, script, invisible and control characters no longer tell two texts apart."""
    assert normalise(text) == expected


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    """``normalise`` is idempotent and leaves no control characters."""
    once = normalise(text)
    assert normalise(once) == once
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in once)


def test_folding_every_character_once_is_enough() -> None:
    """No character of Unicode's first three planes folds to one that would fold again."""
    folded = {chr(code): normalise(chr(code)) for code in range(0x30000)}
    assert [one for one, text in folded.items() if normalise(text) != text] == []


@pytest.mark.parametrize("value", [None, 3, b"bytes"])
def test_what_is_not_a_string_is_refused(value: object) -> None:
    """A wrong type is named."""
    with pytest.raises(TextError, match=f"text is {type(value).__name__}"):
        normalise(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("小米10 手机 128GB", ["小米", "10", "手机", "128gb"]),
        ("婴儿奶粉", ["婴儿", "奶粉"]),
        ("500毫升酸奶", ["500ml", "酸奶"]),
        ("yogurt 32 OZ", ["yogurt", "32oz"]),
        ("5,000mAh power banks", ["5000mah", "power", "bank"]),
        ("WH-1000XM4 headphones", ["wh1000xm4", "headphone"]),
        ("Men's T-Shirts", ["men", "tshirt"]),
        ("有什么优惠的咖啡", ["优惠", "咖啡"]),
        ("what is the best coffee for me", ["best", "coffee"]),
        ("iPhone手機殼", ["iphone", "手机", "壳"]),
        ("sugar-free without caffeine", ["sugar", "free", "without", "caffeine"]),
        ("milk/cream", ["milk", "cream"]),
        ("!?。", []),
        ("", []),
    ],
)
def test_a_text_is_cut(words: Words, text: str, expected: list[str]) -> None:
    """Units stay with their numbers, models in one piece, stop words go, negations stay."""
    assert words.tokens(text) == expected


@pytest.mark.parametrize("text", ["the", "what is this", "这个", "的"])
def test_stop_words_stay_when_nothing_else_would(words: Words, text: str) -> None:
    """A query of stop words alone still has tokens."""
    assert words.tokens(text)


@given(st.text(max_size=60))
def test_tokens_of_any_text_are_folded_and_not_empty(words: Words, text: str) -> None:
    """No text breaks the cutter, and no token is empty or holds a space."""
    for token in words.tokens(text):
        assert token
        assert not any(character.isspace() for character in token)


def test_a_title_and_a_query_in_other_spelling_share_their_tokens(words: Words) -> None:
    """Traditional, plural, unit and case variants meet."""
    assert set(words.tokens("Dresses 500 毫升 連衣裙")) == set(words.tokens("dress 500ML 连衣裙"))


def test_every_unit_is_joined_in_each_of_its_spellings() -> None:
    """Every spelling in ``UNITS`` becomes its canonical unit right after a number."""
    for unit, others in UNITS.items():
        for spelling in (unit, *others):
            assert join_units(f"7{spelling}") == f"7{unit}"


@pytest.mark.parametrize("word", ["bus", "glass", "tennis", "gas", "128s", "手机s"])
def test_words_that_only_look_plural_stay(word: str) -> None:
    """The stemmer leaves -us, -ss, -is, short words, models and Chinese alone."""
    assert singular(word) == word


def test_jieba_is_neither_imported_at_import_nor_heard_when_loaded() -> None:
    """Importing ``models.text.words`` loads no jieba; loading it writes nothing to either stream."""
    code = (
        "import sys, models.text.words as w; assert 'jieba' not in sys.modules;"
        "assert w.Words.load().tokens('婴儿奶粉') == ['婴儿', '奶粉']"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
