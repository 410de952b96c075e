"""Plackett-Luce: what is told of chance is what happens, within floor and positions."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import chdtrc  # type: ignore[import-untyped]

from models.base.errors import ModelError
from models.exploration.explore import epsilon_swap, policy, shown
from models.exploration.plackett_luce import PlackettLuce
from models.exploration.slates import Policy
from tests.support.examples import at_most

SCORES = np.array([2.0, 1.7, 1.0, 0.4, 0.1, -1.0])
DRAWS = 2_500
Seen = Counter[tuple[int, ...]]
Said = dict[tuple[int, ...], float]


def told(policy: Policy, draws: int = DRAWS, limit: int = 3, **given: Any) -> tuple[Seen, Said]:
    """How often each page was shown, and the probability that its propensities say it has."""
    seen: Seen = Counter()
    said: Said = {}
    for n in range(draws):
        one = shown(SCORES, limit, f"r{n}", policy, **given)
        page = tuple(one.order.tolist())
        seen[page] += 1
        assert said.setdefault(page, float(np.prod(one.propensity))) == float(np.prod(one.propensity))
    return seen, said


def p_value(seen: Seen, said: Said) -> float:
    """Pearson's test of the pages seen against the probabilities told; rare pages are put together."""
    total = seen.total()
    often = [page for page in seen if said[page] * total >= 5]
    rest_said = 1 - sum(said[page] for page in often)
    rest_seen = total - sum(seen[page] for page in often)
    statistic = sum((seen[page] - total * said[page]) ** 2 / (total * said[page]) for page in often)
    if rest_said * total >= 5:
        statistic += (rest_seen - total * rest_said) ** 2 / (total * rest_said)
    else:
        assert rest_seen <= 15
        assert len(often) > 1
        often = often[1:]
    return float(chdtrc(len(often), statistic))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"positions": ((2, 3),)},
        {"positions": ((1, 1), (3, 3))},
        {"pinned": np.array([1])},
        {"late": 2},
        {"new": np.array([0, 0, 0, 1, 1, 0], bool), "new_share": 0.2},
        {"new": np.array([0, 0, 0, 1, 1, 1], bool), "new_share": 0.3, "positions": ((2, 3),)},
    ],
    ids=str,
)
@pytest.mark.parametrize("floor", [0.0, 0.9])
def test_the_product_of_the_propensities_is_the_chance_of_the_page(given: dict[str, Any], floor: float) -> None:
    """A chi-square test over all pages, with positions that stay, pins, buried items, new ones, and a floor."""
    seen, said = told(PlackettLuce(0.8, floor), **given)
    assert len(seen) >= 2
    assert p_value(seen, said) > 1e-4


def test_without_limits_it_is_the_plackett_luce_model() -> None:
    """The probability of each page is the closed form; all pages together have 1."""
    _, said = told(PlackettLuce(0.8), 3_000)
    raised = np.exp(SCORES / 0.8)
    closed: Said = {}
    for page in permutations(range(6), 3):
        left, p = raised.sum(), 1.0
        for item in page:
            p *= raised[item] / left
            left -= raised[item]
        closed[page] = p
    assert sum(closed.values()) == pytest.approx(1)
    assert len(said) > 60
    assert said == pytest.approx({page: closed[page] for page in said}, rel=1e-9)


@pytest.mark.parametrize(
    "chosen",
    [PlackettLuce(0.8), PlackettLuce(0.8, 0.9), epsilon_swap(0.9), epsilon_swap(0.9, 1.8)],
    ids=["plackett-luce", "plackett-luce with a floor", "epsilon-swap", "epsilon-swap with a floor"],
)
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_exchanges_make_neighbouring_positions_alike(chosen: Policy, share: float) -> None:
    """Weighted so, each item stands as often at a position as at the next: what else differs is the position."""
    new = np.array([0, 0, 0, 0, 1, 0], bool)
    lower, higher = np.zeros((3, 6)), np.zeros((3, 6))
    for n in range(DRAWS):
        one = shown(SCORES, 3, f"r{n}", chosen, new=new, new_share=share)
        for k, item in enumerate(one.order.tolist()):
            higher[k, item] += one.exchange[k, 0]
            lower[k, item] += one.exchange[k, 1]
    assert lower[:2].sum() > 100
    assert (higher[0] == 0).all()
    assert (lower[2] == 0).all()
    for k in range(2):
        spread = np.sqrt(lower[k] + higher[k + 1]) + 1
        assert (np.abs(lower[k] - higher[k + 1]) < 4.5 * spread).all(), k


@given(st.lists(st.floats(-20, 20), max_size=40), st.integers(1, 12), st.floats(0.05, 50), st.floats(0, 3), st.data())
@at_most(60)
def test_every_page_is_a_part_of_one_permutation_with_propensities(
    scores: list[float], limit: int, temperature: float, floor: float, data: st.DataObject
) -> None:
    """Pages share nothing and lose nothing; propensities are in (0, 1]; the same at each repetition."""
    ranked = -np.sort(-np.array(scores))
    n = len(ranked)
    pinned = np.array(sorted(data.draw(st.sets(st.integers(0, max(n - 1, 0)), max_size=3))), np.intp)
    pinned = pinned[pinned < n]
    late = data.draw(st.integers(0, n - len(pinned)))
    first = data.draw(st.integers(1, 4))
    new = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    chosen = PlackettLuce(temperature, floor)
    pages = [
        shown(ranked, limit, "r1", chosen, at, pinned, late, new, 0.1, ((first, 8),)) for at in range(0, n + 1, limit)
    ]
    order = np.concatenate([page.order for page in pages])
    propensity = np.concatenate([page.propensity for page in pages])
    exchange = np.concatenate([page.exchange for page in pages])
    assert sorted(order.tolist()) == list(range(n))
    assert ((propensity > 0) & (propensity <= 1)).all()
    assert ((exchange >= 0) & (exchange <= 1)).all()
    free = np.setdiff1d(np.arange(n), pinned)
    still = {*pinned.tolist(), *free[len(free) - late :].tolist(), *range(min(first - 1, limit, n)), *range(8, limit)}
    for place in still:
        if place < n:
            assert (order[place], propensity[place], exchange[place].tolist()) == (place, 1, [0, 0])
    again = shown(ranked, limit, "r1", chosen, 0, pinned, late, new, 0.1, ((first, 8),))
    assert again.order.tobytes() == pages[0].order.tobytes()
    assert again.propensity.tobytes() == pages[0].propensity.tobytes()


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.integers(1, 8), st.floats(0.01, 2), st.integers(0, 99))
@at_most(60)
def test_nothing_is_shown_below_the_floor(scores: list[float], limit: int, floor: float, request: int) -> None:
    """At each position of page one the score is within reach of that of the item ranked there."""
    ranked = -np.sort(-np.array(scores))
    near = ranked[: 2 * min(limit, len(ranked))]
    for chosen in (PlackettLuce(5.0, floor), epsilon_swap(1.0, floor)):
        order = shown(ranked, limit, f"r{request}", chosen).order
        assert (ranked[order] >= ranked[: len(order)] - floor * near.std() - 1e-9).all()


def test_a_rule_that_departs_from_the_scores_is_kept_as_the_likeliest_order() -> None:
    """A low score that variety has put first is not punished: what counts is the place."""
    varied = np.array([0.0, 3.0, 2.0, 1.0])
    by_score = np.sort(varied)[::-1]
    for n in range(50):
        one, two = (shown(s, 2, f"r{n}", PlackettLuce(0.5)) for s in (varied, by_score))
        assert one.order.tolist() == two.order.tolist()
        assert one.propensity.tolist() == two.propensity.tolist()


def test_a_cold_policy_is_the_ranked_order_and_a_hot_one_is_an_even_draw() -> None:
    """The two ends of the temperature."""
    assert all(shown(SCORES, 3, f"r{n}", PlackettLuce(0.001)).order.tolist() == [0, 1, 2] for n in range(50))
    hot = shown(SCORES, 3, "r1", PlackettLuce(1e6))
    np.testing.assert_allclose(hot.propensity, [1 / 6, 1 / 5, 1 / 4], rtol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"temperature": 0.0}, "STREAMRANK_TEMPERATURE"),
        ({"temperature": float("inf")}, "STREAMRANK_TEMPERATURE"),
        ({"floor": -1.0}, "STREAMRANK_FLOOR"),
        ({"name": "greedy"}, "name one of none, epsilon-swap, plackett-luce"),
    ],
)
def test_a_number_that_is_none_is_refused(wrong: dict[str, object], setting: str) -> None:
    """The error names the setting and what to do."""
    with pytest.raises(ModelError, match=setting):
        policy(**wrong)  # type: ignore[arg-type]
