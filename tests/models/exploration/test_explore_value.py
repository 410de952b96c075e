"""What is logged while exploring tells what another policy would have earned."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate.off_policy import ShownLists, ips, snips
from models.exploration.explore import epsilon_swap, shown
from models.exploration.plackett_luce import PlackettLuce
from models.exploration.slates import CONDITIONAL, Policy

LISTS, ITEMS, LIMIT = 2_500, 8, 3
EXAMINED = np.array([1.0, 0.6, 0.4])


def logged(policy: Policy, other: str, seed: int) -> tuple[ShownLists, float]:
    """A log of ``policy`` beside a ranking that exchanges the first item with one behind page one, or the first two.

    Also the clicks an item that this ranking would have got.
    """
    rng = np.random.default_rng(seed)
    propensities, targets, rewards, truth = [], [], [], []
    target = np.array([LIMIT, 1, 2] if other == "behind" else [1, 0, 2])
    for n in range(LISTS):
        relevance = rng.uniform(0.05, 0.6, ITEMS)
        scores = -np.sort(-rng.normal(0, 0.5, ITEMS))
        one = shown(scores, LIMIT, f"{seed}-{n}", policy)
        match = (one.order == target).astype(np.float64)
        conditional = policy.name == CONDITIONAL
        propensities.append(np.cumprod(one.propensity) if conditional else one.propensity)
        targets.append(np.cumprod(match) if conditional else match)
        rewards.append((rng.random(LIMIT) < EXAMINED * relevance[one.order]).astype(np.float64))
        truth.append((EXAMINED * relevance[target]).mean())
    request = np.repeat(np.arange(LISTS), LIMIT)
    reward, propensity, target_share = (np.concatenate(c) for c in (rewards, propensities, targets))
    return ShownLists(reward, propensity, target_share, request=request), float(np.mean(truth))


@pytest.mark.parametrize(
    ("policy", "other"),
    [(PlackettLuce(1.0), "behind"), (PlackettLuce(1.0), "first two"), (PlackettLuce(1.0, 2.0), "first two")],
    ids=["plackett-luce", "plackett-luce, first two", "with a floor"],
)
def test_the_value_of_another_ranking_is_found_from_a_plackett_luce_log(policy: Policy, other: str) -> None:
    """Weighted by the product of the propensities down to each position, the mean of three logs is near the truth."""
    found = [logged(policy, other, seed) for seed in range(3)]
    truth = np.mean([value for _, value in found])
    for estimator in (ips, snips):
        estimates = [estimator(log, 1e9) for log, _ in found]
        error = np.mean([e.high - e.low for e in estimates]) / (2 * 1.96) / np.sqrt(len(found))
        assert abs(np.mean([e.value for e in estimates]) - truth) < 4 * error
        assert error < 0.03


def test_an_epsilon_swap_log_tells_of_what_it_can_show() -> None:
    """At the two positions where both agree, and at the first where an item from behind stands now and then."""
    log, truth = logged(epsilon_swap(0.9), "behind", 3)
    found = ips(log, 1e9)
    assert found.low <= truth <= found.high
    assert found.high - found.low < 0.08


def test_what_was_given_once_is_not_enough_for_plackett_luce() -> None:
    """The propensities of single positions leave out that an item may have been shown above: the value is too low."""
    rng = np.random.default_rng(5)
    propensities, matches = [], []
    target = np.array([1, 0, 2])
    for n in range(LISTS):
        one = shown(-np.sort(-rng.normal(0, 0.5, ITEMS)), LIMIT, f"x{n}", PlackettLuce(1.0))
        propensities.append(one.propensity)
        matches.append((one.order == target).astype(np.float64))
    each, whole = (
        np.array(matches) / np.array(propensities),
        np.cumprod(matches, axis=1) / np.cumprod(propensities, axis=1),
    )
    # the mean weight is 1 for a policy that can show whatever the other does
    assert each[:, 2].mean() < 0.85
    assert abs(whole[:, 2].mean() - 1) < 4 * whole[:, 2].std() / np.sqrt(LISTS)
