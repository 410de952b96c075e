"""What a short text says about the search before it, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.refinement import kind_of, points_back, said


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("cheaper", -1), ("Something CHEAPER?", -1), ("too expensive", -1),
        ("便宜点", -1), ("太贵了", -1), ("再便宜一些", -1),
        ("more expensive", 1), ("pricier ones", 1), ("更贵的", 1), ("贵一点的", 1), ("太便宜了", 1), ("too cheap", 1),
    ],
)  # fmt: skip
def test_cheaper_and_dearer_are_told_apart(text: str, direction: int) -> None:
    """Nothing else is said by these texts."""
    assert said(text) == (direction, None, None, "")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("under 50", None, 50), ("less than $19.99", None, 19.99), ("500以下", None, 500), ("50块以内", None, 50),
        ("不超过100元", None, 100), ("over 100", 100, None), ("300元以上", 300, None), ("100到200", 100, 200),
        ("200-100", 100, 200), ("between 20 and 30 dollars", 20, 30), ("５００以下", None, 500),
    ],
)  # fmt: skip
def test_a_price_is_read_with_its_bound(text: str, low: float | None, high: float | None) -> None:
    """Currency words and full-width digits included; a reversed interval is put right."""
    assert said(text) == (0, low, high, "")


@pytest.mark.parametrize(
    ("text", "rest"),
    [("有机的", "有机"), ("那红色的呢", "红色"), ("in size xl", "xl"), ("red", "red"), ("有没有小米的", "小米")],
)
def test_what_else_is_said_remains(text: str, rest: str) -> None:
    """Fillers go, the words stay whole."""
    assert said(text) == (0, None, None, rest)


def test_words_of_the_closed_lists_have_a_kind() -> None:
    """Colours and sizes; anything else is the catalogue's to say."""
    assert {kind_of(word) for word in ("red", "红色", "米白")} == {"colour"}
    assert {kind_of(word) for word in ("xl", "m", "大号", "38码", "128gb", "43")} == {"size"}
    assert {kind_of(word) for word in ("xiaomi", "dress", "牛奶", "")} == {""}


def test_a_pronoun_points_back() -> None:
    """Not one inside of another word."""
    assert all(map(points_back, ("is it waterproof", "does this run small", "这款掉色吗", "它防水吗")))
    assert not any(map(points_back, ("iphone 15 review", "kitten food", "小米10怎么样")))


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """What remains is no longer than the text, and limits are in order."""
    found = said(text)
    assert found.low is None or found.high is None or found.low <= found.high
    assert points_back(text) in (True, False)
