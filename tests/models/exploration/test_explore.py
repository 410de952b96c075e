"""Exploration: logged propensities are the frequencies with which items are really shown."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base.errors import ModelError
from models.exploration.explore import epsilon_swap, nothing, policy, shown


def scores_of(ranked: int) -> np.ndarray:
    """Scores of so many items, each one lower than the one before."""
    return -np.arange(float(ranked))


@pytest.mark.parametrize(
    ("ranked", "limit", "epsilon"),
    [(9, 3, 0.6), (4, 3, 1.0), (6, 1, 0.5), (40, 4, 0.3), (3, 3, 1.0), (2, 5, 0.7)],
)
def test_propensities_are_frequencies(ranked: int, limit: int, epsilon: float) -> None:
    """Over 4,000 requests each (position, item) is seen as often as logged, within 5 sigma."""
    n, seen, logged = 4_000, Counter[tuple[int, int]](), dict[tuple[int, int], float]()
    swap = epsilon_swap(epsilon)
    for i in range(n):
        one = shown(scores_of(ranked), limit, f"request-{i}", swap)
        for place in enumerate(one.order.tolist()):
            seen[place] += 1
            assert logged.setdefault(place, one.propensity[place[0]]) == one.propensity[place[0]]
    for place, propensity in logged.items():
        sigma = np.sqrt(n * propensity * (1 - propensity))
        assert abs(seen[place] - n * propensity) <= 5 * sigma + 1e-9, place
    # Nothing that can be shown is left out: at each position the propensities are a whole distribution.
    for position in range(min(limit, ranked)):
        total = sum(p for (at, _), p in logged.items() if at == position)
        assert total == pytest.approx(1)


@given(st.integers(0, 300), st.integers(0, 100), st.floats(0, 1), st.text(max_size=20))
def test_what_is_shown_is_a_choice_of_what_was_ranked(ranked: int, limit: int, epsilon: float, request: str) -> None:
    """Distinct places, at most one of them not its own, and the same at each repetition."""
    one = shown(scores_of(ranked), limit, request, policy(epsilon))
    places = min(ranked, limit)
    assert len(one.order) == len(one.propensity) == len(set(one.order.tolist())) == places
    assert ((one.order >= 0) & (one.order < ranked)).all()
    assert (one.order != np.arange(places)).sum() <= 1
    assert ((one.propensity > 0) | (epsilon == 1)).all()
    assert (one.propensity <= 1).all()
    again = shown(scores_of(ranked), limit, request, policy(epsilon))
    assert one.order.tobytes() == again.order.tobytes()
    assert one.propensity.tobytes() == again.propensity.tobytes()


@given(st.integers(0, 60), st.integers(1, 9), st.floats(0, 1), st.data())
def test_the_pages_of_one_request_are_cut_from_one_order(
    ranked: int, limit: int, epsilon: float, data: st.DataObject
) -> None:
    """Nothing comes twice or is lost; pinned positions and the late items stay as they were ranked."""
    pinned = np.array(sorted(data.draw(st.sets(st.integers(0, ranked - 1)))) if ranked else [], np.intp)
    late = data.draw(st.integers(0, ranked - len(pinned)))
    pages = [
        shown(scores_of(ranked), limit, "r1", policy(epsilon), start, pinned, late)
        for start in range(0, ranked + limit, limit)
    ]
    order = np.concatenate([page.order for page in pages])
    propensity = np.concatenate([page.propensity for page in pages])
    assert sorted(order.tolist()) == list(range(ranked))
    free = np.setdiff1d(np.arange(ranked), pinned)
    for place in (*pinned, *free[len(free) - late :]):
        assert (order[place], propensity[place]) == (place, 1)


def test_without_exploration_the_ranked_order_is_shown_for_sure() -> None:
    """Propensity 1 everywhere, by name and by epsilon 0."""
    for none in (nothing, policy(0.0)):
        one = shown(scores_of(5), 3, "r1", none)
        assert one.order.tolist() == [0, 1, 2]
        assert one.propensity.tolist() == [1, 1, 1]


def test_without_further_items_nothing_is_swapped() -> None:
    """Everything that was ranked is shown anyway, so its propensity is 1."""
    one = shown(scores_of(3), 3, "r1", epsilon_swap(1.0))
    assert one.order.tolist() == [0, 1, 2]
    assert one.propensity.tolist() == [1, 1, 1]


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_an_epsilon_that_is_no_probability_is_refused(epsilon: float) -> None:
    """The error names the setting."""
    with pytest.raises(ModelError, match="STREAMRANK_EPSILON"):
        policy(epsilon)
