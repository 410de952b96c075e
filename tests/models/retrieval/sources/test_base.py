"""The arithmetic that sources share, against its plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Weighted
from models.base.vectors import SLACK, cosines, near_top
from models.retrieval.tables import best, look_up, summed


@given(st.integers(0, 3_000), st.integers(0, 10_000), st.integers(1, 300), st.sampled_from([-np.inf, 0.0, 20.0]))
def test_near_top_holds_the_whole_top(size: int, seed: int, k: int, above: float) -> None:
    """However many ties there are, no row that sorting would put among the first k is missing."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, rng.integers(-2, 41), size).astype(np.float32)
    rows = near_top(scores, k, above=above)
    assert np.all(np.diff(rows) > 0)
    assert (scores[rows] > above).all()
    wanted = [row for row in np.argsort(-scores, kind="stable")[:k] if scores[row] > above]
    assert set(wanted) <= set(rows.tolist())


def test_near_top_is_short_on_ordinary_scores() -> None:
    """It gives little more than k rows, else it would be no help."""
    scores = np.random.default_rng(0).standard_normal(50_000).astype(np.float32)
    assert 100 <= len(near_top(scores, 100)) < 130


def test_near_top_with_slack_holds_rows_just_below() -> None:
    """Rows within the slack of the k-th best come too, so that exact scores can decide."""
    scores = np.zeros(20_000, np.float32)
    scores[:100] = 1.0
    scores[100:110] = np.float32(1.0 - SLACK / 2)
    assert set(range(110)) <= set(near_top(scores, 100, slack=SLACK).tolist())


def test_best_cuts_and_breaks_ties_by_row() -> None:
    """Heaviest first, equal weights in row order, nothing at or below 0."""
    rows = np.arange(5, dtype=np.int32)
    found = best(rows, np.array([1, 3, 3, 0, -1], np.float32), 4)
    assert found.rows.tolist() == [1, 2, 0]


def test_cosines_of_a_row_do_not_depend_on_its_company() -> None:
    """The same bytes alone, in the middle, and in another order; within the slack of a matrix product."""
    rng = np.random.default_rng(1)
    for width, kind in ((64, np.float32), (512, np.float16)):
        vectors = rng.standard_normal((500, width))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(kind)
        direction = vectors[7].astype(np.float32)
        rows = rng.permutation(500).astype(np.int32)
        whole = cosines(vectors, rows, direction)
        alone = [cosines(vectors, rows[i : i + 1], direction)[0] for i in range(500)]
        assert whole.tobytes() == np.array(alone, np.float32).tobytes()
        assert whole[::-1].tobytes() == cosines(vectors, rows[::-1], direction).tobytes()
        np.testing.assert_allclose(whole, vectors[rows].astype(np.float32) @ direction, atol=SLACK / 2)


def test_summed_rows_are_distinct_ascending_and_known() -> None:
    """Weights of equal rows add up, unknown rows are dropped, and a table of them is looked up."""
    table = summed(np.array([4, -1, 2, 4], np.int32), np.array([1.0, 9.0, 2.0, 0.5]))
    assert (table.rows.tolist(), table.weight.tolist()) == ([2, 4], [2.0, 1.5])
    assert look_up(table, np.array([4, 3, 2, 99], np.int32)).tolist() == [1.5, 0, 2.0, 0]


@pytest.mark.parametrize("rows", [[], [-1, -1]])
def test_an_empty_table_knows_nothing(rows: list[int]) -> None:
    """Nothing summed, nothing found."""
    table = summed(np.array(rows, np.int32), np.ones(len(rows)))
    assert len(table.rows) == 0
    assert look_up(table, np.array([1], np.int32)).tolist() == [0]
    assert look_up(Weighted(), np.zeros(0, np.int32)).shape == (0,)
