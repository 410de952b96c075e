"""Off-policy estimates: against a simulation with a known answer, and on a bandit's log with a known policy."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from models.base.errors import ModelError
from models.evaluate.off_policy import (
    ESTIMATORS,
    RewardTable,
    ShownLists,
    doubts,
    effective,
    ips,
    on_policy,
    snips,
    weights,
)

DATA = Path(os.environ.get("STREAMRANK_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
CONTEXTS, ACTIONS, ROUNDS = 4, 6, 1_500


def policies(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Click rates, what is logged and what is asked about, each (contexts, actions)."""
    rates = rng.uniform(0.05, 0.5, (CONTEXTS, ACTIONS))
    logged, target = (np.exp(rng.normal(0, 0.7, rates.shape)) for _ in range(2))
    return rates, logged / logged.sum(1, keepdims=True), target / target.sum(1, keepdims=True)


def draw(rng: np.random.Generator, rates: np.ndarray, logged: np.ndarray, target: np.ndarray) -> ShownLists:
    """One log of the logging policy; the reward model knows the actions, not the contexts."""
    context = rng.integers(0, CONTEXTS, ROUNDS)
    action = (rng.random(ROUNDS)[:, None] > np.cumsum(logged[context], axis=1)).sum(axis=1)
    reward = (rng.random(ROUNDS) < rates[context, action]).astype(np.float64)
    fold, first = rng.integers(0, 2, ROUNDS), np.zeros(ROUNDS, np.int64)
    table = RewardTable(action, first, reward, fold)
    each = np.stack([table.of(np.full(ROUNDS, a), first, fold) for a in range(ACTIONS)], axis=1)
    return ShownLists(
        reward, logged[context, action], target[context, action],
        expected=table.of(action, first, fold), value=(target[context] * each).sum(axis=1),
    )  # fmt: skip


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_interval_covers_the_truth_in_92_to_98_of_100_draws(name: str) -> None:
    """Five hundred logs of a simulation whose target policy's value is known exactly."""
    rng = np.random.default_rng(7)
    rates, logged, target = policies(rng)
    truth = float((rates * target).sum(axis=1).mean())
    found = [ESTIMATORS[name](draw(rng, rates, logged, target), 1e9) for _ in range(500)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.92 <= covered <= 0.98, covered
    assert abs(np.mean([one.value for one in found]) - truth) < 0.003


def test_doubly_robust_varies_less_than_inverse_propensities() -> None:
    """What the reward model explains needs no weights."""
    rng = np.random.default_rng(3)
    world = policies(rng)
    logs = [draw(rng, *world) for _ in range(200)]
    spread = {name: np.std([estimate(log, 1e9).value for log in logs]) for name, estimate in ESTIMATORS.items()}
    assert spread["dr"] < spread["ips"]


def test_rows_of_one_request_widen_the_interval() -> None:
    """Ten copies of each row say no more than the row."""
    rng = np.random.default_rng(1)
    reward = (rng.random(400) < 0.3).astype(np.float64)
    once = ips(ShownLists(reward, np.full(400, 0.5), np.full(400, 0.5)))
    ten = np.repeat(reward, 10)
    copies = ips(ShownLists(ten, np.full(4000, 0.5), np.full(4000, 0.5), request=np.repeat(np.arange(400), 10)))
    assert copies.low == pytest.approx(once.low)
    assert copies.high == pytest.approx(once.high)


def test_a_small_effective_sample_is_doubted_and_a_cut_weight_told() -> None:
    """One row in a thousand carries all the weight."""
    target = np.zeros(1000)
    target[0] = 1.0
    shown = ShownLists(np.ones(1000), np.full(1000, 0.001), target)
    assert effective(shown) == 1.0
    assert weights(shown, clip=10)[0] == 10
    said = " ".join(doubts(shown, clip=10))
    assert "effective sample size is 1" in said
    assert "cut at 10" in said


def test_a_propensity_of_zero_is_refused() -> None:
    """What could not have been shown cannot be weighed; the row is named."""
    with pytest.raises(ModelError, match=r"row 1: propensity is 0"):
        ShownLists(np.ones(2), np.array([0.5, 0.0]), np.ones(2))


def bandit(policy: str, campaign: str) -> dict[str, np.ndarray]:
    """Columns of one file of the Open Bandit Dataset."""
    path = DATA / "obd_small" / policy / campaign / f"{campaign}.csv.gz"
    if not path.is_file():
        pytest.skip(
            f"the Open Bandit Dataset is not here: {policy}/{campaign}/{path.name} in STREAMRANK_DATA/obd_small"
        )
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    names = {"item": "item_id", "position": "position", "click": "click", "propensity": "propensity_score"}
    return {short: np.array([float(row[name]) for row in rows]) for short, name in names.items()}


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_the_uniform_policy_is_estimated_from_a_bandits_log(campaign: str) -> None:
    """Its own log tells its click rate; the estimates from Thompson sampling's log lie within the noise of it."""
    random, bts = bandit("random", campaign), bandit("bts", campaign)
    uniform = random["propensity"][0]
    assert (random["propensity"] == uniform).all()
    same = ShownLists(random["click"], random["propensity"], np.full(len(random["click"]), uniform))
    truth = on_policy(same)
    assert ips(same).value == snips(same).value == truth.value
    other = ShownLists(bts["click"], bts["propensity"], np.full(len(bts["click"]), uniform))
    for found in (ips(other), snips(other)):
        noise = (truth.high - truth.low + found.high - found.low) / 2
        assert abs(found.value - truth.value) < noise
