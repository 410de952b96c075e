"""BM25 against its formula written out, and against the order of updates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.items.bm25 import FIELDS, K1, MOST_ROWS, Bm25

TOKENS = st.lists(st.sampled_from(["a", "b", "c", "d", "奶"]), max_size=6)
TEXTS = st.lists(TOKENS, min_size=1, max_size=len(FIELDS))


def by_hand(texts: dict[int, list[list[str]]], query: list[str], row: int) -> float:
    """The formula of the module's reference (section 3.6, equation 3.21), one row, no index."""
    if row not in texts:
        return 0.0
    total = 0.0
    for term in dict.fromkeys(query):
        df = sum(any(term in tokens for tokens in text) for text in texts.values())
        tf = 0.0
        for place, tokens in enumerate(texts[row]):
            field = FIELDS[place]
            average = sum(len(text[place]) for text in texts.values() if place < len(text)) / len(texts)
            length = 1 - field.b + field.b * len(tokens) / max(average, 1e-9)
            tf += field.weight * tokens.count(term) / length
        idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        total += idf * tf * (K1 + 1) / (tf + K1)
    return total


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | TEXTS), max_size=40), TOKENS)
def test_scores_equal_the_formula_after_any_updates(
    updates: list[tuple[int, list[list[str]] | None]], query: list[str]
) -> None:
    """Puts, replacements and drops in any order leave exactly the scores of what is held."""
    index, texts = Bm25(), dict[int, list[list[str]]]()
    for row, tokens in updates:
        if tokens is None:
            index.drop(row)
            texts.pop(row, None)
        else:
            index.put(row, *tokens)
            texts[row] = tokens
    scores = index.scores(query, 10)
    np.testing.assert_allclose(scores, [by_hand(texts, query, row) for row in range(10)], rtol=1e-5, atol=1e-6)
    rows = np.array([9, 0, 3, 3], np.int32)
    np.testing.assert_array_equal(index.score(query, rows), scores[rows])


def test_the_order_of_updates_leaves_no_trace() -> None:
    """Two ways to the same contents give the same bytes."""
    one, two = Bm25(), Bm25()
    texts = {row: [f"w{row % 7}", f"w{row % 3}", "all"] for row in range(50)}
    for row, text in texts.items():
        one.put(row, text)
    for row in reversed(texts):
        two.put(row, ["other"])
        two.put(row, texts[row])
    assert one.scores(["all", "w1"], 50).tobytes() == two.scores(["all", "w1"], 50).tobytes()


def test_an_update_is_in_the_next_search() -> None:
    """There is no commit to wait for."""
    index = Bm25()
    index.put(0, ["tea"])
    assert index.scores(["tea"], 1)[0] > 0
    index.put(0, ["coffee"])
    assert index.scores(["tea"], 1)[0] == 0
    index.drop(0)
    assert not index.scores(["tea", "coffee"], 1).any()


def test_an_empty_index_scores_zero() -> None:
    """Nothing held, nothing found, nothing raised."""
    assert Bm25().scores(["tea"], 3).tolist() == [0, 0, 0]
    assert Bm25().scores([], 0).shape == (0,)
    assert Bm25().score(["tea"], np.zeros(0, np.int32)).shape == (0,)


def test_rows_beyond_those_asked_for_are_left_out() -> None:
    """A search over fewer rows than are held is a prefix of the whole one."""
    index = Bm25()
    for row in range(5):
        index.put(row, ["tea"])
    assert index.scores(["tea"], 2).tolist() == index.scores(["tea"], 5)[:2].tolist()


@pytest.mark.parametrize("row", [-1, MOST_ROWS])
def test_a_row_out_of_range_is_refused(row: int) -> None:
    """The error names the row."""
    with pytest.raises(ValueError, match=str(row)):
        Bm25().put(row, ["tea"])
