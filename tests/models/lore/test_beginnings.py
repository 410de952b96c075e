"""Texts by how they begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.lore.beginnings import Beginnings


@given(st.lists(st.tuples(st.integers(0, 5), st.text("ab ", max_size=3)), max_size=40), st.text("ab", max_size=2))
def test_what_is_put_is_found_by_its_beginning_and_nothing_else(puts: list[tuple[int, str]], start: str) -> None:
    """Whatever replaces whatever, the rows are those whose text of now begins so, in order of the texts."""
    beginnings, texts = Beginnings(), [str(row) for row in range(6)]
    for row, text in [*enumerate(texts), *puts]:
        beginnings.put(row, text)
        texts[row] = text
        beginnings.starting(start)
    expected = sorted((text, row) for row, text in enumerate(texts) if text.startswith(start))
    assert beginnings.starting(start) == [row for _, row in expected]
