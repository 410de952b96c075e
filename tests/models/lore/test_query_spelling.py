"""Whole queries found again in spite of slips of the finger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from models.lore.query_spelling import LONGEST, SpeltTexts, may_be, squeezed
from models.lore.spelling import LONG

_texts = st.text("abc 12小", max_size=12)


def held(*texts: str) -> SpeltTexts:
    """A table with the texts in rows 0, 1, …"""
    table = SpeltTexts()
    for row, text in enumerate(texts):
        table.put(row, text)
    return table


@given(st.lists(_texts, max_size=100), _texts)
def test_every_text_within_the_edits_allowed_is_found(texts: list[str], text: str) -> None:
    """As many as comparing with each one letter by letter finds, and with the same numbers of edits."""
    own = squeezed(text)
    most = 2 if len(own) >= LONG else 1
    expected = []
    for row, other in enumerate(map(squeezed, texts)):
        apart = OSA.distance(own, other, score_cutoff=most)
        if min(len(own), len(other)) >= 2 and apart <= most and may_be(text, own, other):
            expected.append((apart, row))
    assert held(*texts).near(text) == sorted(expected)


def test_a_row_that_another_text_took_is_not_found_by_its_old_one() -> None:
    """The lightest query leaves the table, and its row goes to another."""
    table = held("fifa 12", "gears of war")
    table.put(0, "modern warfare")
    assert table.near("fofa 12") == []
    assert table.near("modernwarfare") == [(0, 0)]


@pytest.mark.parametrize(
    ("typed", "other"),
    [
        ("iphone 14", "iphone 4"),
        ("ps2", "ps3"),
        ("fifa 13", "fifa 12"),
        ("xbox 360 s", "xbox 360 e"),
        ("vitamin c", "vitamin"),
        ("红茶", "绿茶"),
        ("小米手表", "小米手机"),
        ("牛奶", "牛奶糖"),
    ],
)
def test_a_text_that_names_another_product_is_not_corrected(typed: str, other: str) -> None:
    """Another number, another letter that stands alone, another Chinese character, a short Chinese name made longer."""
    assert held(other).near(typed) == []


@pytest.mark.parametrize(
    ("typed", "other", "edits"),
    [
        ("iphone 1", "iphone 14", 1),
        ("fifa 21", "fifa 12", 1),
        ("m3w", "mw3", 1),
        ("assassins creed", "assassin's creed", 0),
        ("mod ernwarfare", "modern warfare", 0),
        ("minecarft steve", "minecraft stev", 2),
        ("机手壳", "手机壳", 1),
        ("小米手机充电", "小米手机充电器", 1),
        ("小米1 0手机", "小米10手机", 0),
    ],
)
def test_a_slip_is_undone(typed: str, other: str, edits: int) -> None:
    """A digit left out or swapped, letters, spaces, punctuation, the order of Chinese characters, the end of a name."""
    assert held(other).near(typed) == [(edits, 0)]


@pytest.mark.parametrize("text", ["", "?!", "a", "a" * (LONGEST + 1)])
def test_texts_too_short_or_too_long_have_no_neighbours(text: str) -> None:
    """Nor are they anyone's."""
    assert held(text, "ab").near(text) == []
    assert held(text).near("ab") == []


def test_two_hundred_texts_of_any_length_keep_their_rows() -> None:
    """The table grows."""
    texts = [f"query {'x' * (number % 40)} {number}" for number in range(200)]
    table = held(*texts)
    assert all((0, row) in table.near(text) for row, text in enumerate(texts))
