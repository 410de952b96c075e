"""Assignment and statistics of experiments: independent salts, honest intervals, no winner between equal arms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import chdtrc  # type: ignore[import-untyped]

from models.experiments.arms import arm_at, place
from models.experiments.comparison import (
    COLUMNS,
    METRICS,
    Analysis,
    analyse,
    compare,
    estimate,
    holm,
    sample_ratio,
)

USERS = 20_000
SEEDS = 100
SHARES = {"control": 0.5, "explore": 0.5}
IDS = [f"user-{n}" for n in range(USERS)]


def places(salt: str, name: str = "aa") -> NDArray[np.float64]:
    """Where 20,000 users lie."""
    return np.array([place(salt, name, user) for user in IDS])


def behave(seed: int, lift: NDArray[np.float64] | float = 1.0) -> NDArray[np.float64]:
    """What 20,000 unlike users do: how often they come is log-normal, how gladly each clicks, buys and stays his own.

    ``lift`` (users,) multiplies the rate of clicks.
    """
    random = np.random.default_rng(seed)
    answers = 1 + random.poisson(random.lognormal(1.0, 1.0, USERS))
    taste = np.minimum(random.beta(1.2, 6.0, USERS) * lift, 1.0)
    clicked = random.binomial(answers, taste)
    more = random.binomial(clicked, 0.2)
    buys = random.binomial(clicked, random.beta(1, 9, USERS))
    dwell = random.gamma(2.0, 20.0, USERS) * (clicked + more)
    columns = {
        "answers": answers, "items": answers * 10, "answers_clicked": clicked, "items_clicked": clicked + more,
        "clicks": clicked + more, "add_to_carts": buys, "purchases": buys, "dwell_seconds": dwell,
    }  # fmt: skip
    return np.stack([columns[name] for name in COLUMNS], axis=1).astype(np.float64)


def analysed(users: NDArray[np.float64], where: NDArray[np.float64]) -> Analysis:
    """Users analysed by the arms that their places give."""
    arm = np.array([arm_at(one, list(SHARES.values())) for one in where])
    return analyse({name: users[arm == n] for n, name in enumerate(SHARES)}, "control", SHARES)


@pytest.fixture(scope="module")
def alike() -> list[Analysis]:
    """A/A: a hundred experiments of two equal arms, each with other users and another salt."""
    return [analysed(behave(seed), places(f"salt-{seed}")) for seed in range(SEEDS)]


def test_two_equal_arms_have_no_winner_and_no_alarm_in_95_of_100_seeds(alike: list[Analysis]) -> None:
    """Neither arm is called better or worse, and the users fall as the shares say."""
    verdicts = [found.verdicts["explore"] for found in alike]
    assert verdicts.count("no difference shown") >= 95
    assert sum(found.winner is not None for found in alike) <= 5
    ratios = [found.sample_ratio for found in alike]
    assert sum(ratio is None or ratio.alarm for ratio in ratios) <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_intervals_of_equal_arms_cover_nothing_95_times_in_100(alike: list[Analysis], metric: str) -> None:
    """Between 89 and 100 of the 95 % intervals hold the true difference, 0 (binomial bounds at 99 %), and p-values
    below .5 are about half: the statistics are neither too bold nor too shy."""
    found = [analysis.differences["explore"][metric] for analysis in alike]
    kept = [one for one in found if one is not None]
    assert len(kept) == SEEDS
    assert 89 <= sum(one.low <= 0 <= one.high for one in kept) <= 100
    assert 35 <= sum(one.p < 0.5 for one in kept) <= 65


def test_intervals_over_answers_would_be_too_narrow() -> None:
    """The delta method knows that answers of one user are alike: its error is well above the binomial one."""
    users = behave(1)
    found = estimate(users, METRICS["ctr"])
    assert found is not None
    answers = users[:, COLUMNS.index("answers")].sum()
    assert math.sqrt(found.variance) > 1.3 * math.sqrt(found.mean * (1 - found.mean) / answers)


def test_ten_percent_more_clicks_are_found_in_most_seeds() -> None:
    """A true lift of the click-through rate by a tenth makes the arm the winner in at least 9 of 10 seeds."""
    winners = []
    lifts = []
    for seed in range(20):
        where = places(f"power-{seed}")
        found = analysed(behave(seed, np.where(where >= 0.5, 1.1, 1.0)), where)
        winners.append(found.winner)
        difference = found.differences["explore"]["ctr"]
        assert difference is not None
        assert difference.relative is not None
        lifts.append(difference.relative)
    assert winners.count("explore") >= 18
    assert np.mean(lifts) == pytest.approx(0.1, abs=0.02)


def test_an_arm_that_is_worse_is_called_worse() -> None:
    """A verdict has a direction, and a worse arm is no winner."""
    where = places("worse")
    found = analysed(behave(3, np.where(where >= 0.5, 0.8, 1.0)), where)
    assert found.verdicts == {"explore": "worse"}
    assert found.winner is None


def test_places_of_two_salts_and_of_two_experiments_are_independent() -> None:
    """A 4 x 4 table of the quarters in which 20,000 users lie fits independence (chi-square, 9 degrees); each spreads
    evenly; user ids that differ in one digit do not cluster."""
    first = places("2026-03")
    for second in (places("2026-04"), places("2026-03", "other")):
        table, _, _ = np.histogram2d(first, second, bins=4, range=[[0, 1], [0, 1]])
        expected = table.sum(1)[:, None] * table.sum(0) / USERS
        assert chdtrc(9, ((table - expected) ** 2 / expected).sum()) > 0.001
    even, _ = np.histogram(first, bins=100, range=(0, 1))
    assert chdtrc(99, ((even - USERS / 100) ** 2 / (USERS / 100)).sum()) > 0.001
    assert np.unique(first).size == USERS


def test_parts_of_a_place_do_not_run_together() -> None:
    """Salt, name and user are kept apart: moving a letter from one to the next is another place."""
    found = {place("a", "bc", "u"), place("ab", "c", "u"), place("a", "b", "cu"), place("", "abc", "u")}
    assert len(found) == 4


def test_an_arm_with_no_share_gets_nobody_and_a_sliver_goes_to_the_last_with_one() -> None:
    """Also where the shares add up to a little less than 1."""
    assert {arm_at(where, [0.0, 1.0, 0.0]) for where in np.linspace(0, 1 - 1e-12, 50).tolist()} == {1}
    assert arm_at(1 - 1e-12, [0.5, 0.4999999, 0.0]) == 1


def test_the_sample_ratio_alarm_needs_a_real_mismatch() -> None:
    """51 to 49 of 20,000 raises no alarm at .001, 52 to 48 does; users of an arm without a share always do."""
    for share, alarm in ((0.51, False), (0.52, True)):
        found = sample_ratio([round(USERS * share), round(USERS * (1 - share))], [0.5, 0.5])
        assert found is not None
        assert found.alarm is alarm
    odd = sample_ratio([100, 100, 1], [0.5, 0.5, 0.0])
    assert odd is not None
    assert odd.alarm
    assert sample_ratio([0, 0], [0.5, 0.5]) is None


def test_a_sample_ratio_alarm_takes_every_verdict_back() -> None:
    """A great difference between arms of wrong sizes is no winner."""
    users = behave(5, np.repeat([1.0, 1.5], USERS // 2))
    found = analyse({"control": users[:8_000], "explore": users[10_000:]}, "control", SHARES)
    assert found.verdicts == {"explore": "sample ratio mismatch"}
    assert found.winner is None


def test_few_users_get_no_verdict_and_nothing_to_divide_by_is_undefined() -> None:
    """Five buyers against none are no proof; dwell per click without clicks is None, not 0."""
    few = np.zeros((5, len(COLUMNS)))
    few[:, COLUMNS.index("answers")] = 1
    rich = few.copy()
    rich[:, COLUMNS.index("answers_clicked")] = 1
    found = analyse({"control": few, "explore": rich}, "control", SHARES)
    assert found.verdicts == {"explore": "too few users"}
    assert found.differences["explore"]["dwell_per_click"] is None
    assert estimate(few[:1], METRICS["ctr"]) is None


def test_several_arms_share_the_level() -> None:
    """Holm: the smallest p-value is multiplied by the number of arms, and no adjusted one is below a smaller one's."""
    assert holm([0.004, 0.004]) == [0.008, 0.008]
    assert holm([0.5, 0.001, 0.02]) == [0.5, 0.003, 0.04]
    assert holm([]) == []


def test_the_p_value_of_the_sample_ratio_is_the_chi_square_tail() -> None:
    """Two arms have one degree of freedom, three have two; of both the tail has a closed form."""
    two, three = sample_ratio([5098, 4902], [1 / 2] * 2), sample_ratio([5122, 4878, 5000], [1 / 3] * 3)
    assert two is not None
    assert three is not None
    assert two.chi_square == pytest.approx(3.8416)
    assert two.p == pytest.approx(math.erfc(math.sqrt(two.chi_square / 2)), rel=1e-12)
    assert three.p == pytest.approx(math.exp(-three.chi_square / 2), rel=1e-12)
    even = sample_ratio([5000, 5000], [0.5, 0.5])
    assert even is not None
    assert even.p == 1.0


@pytest.mark.parametrize("lift", [0.7, 0.9, 0.97, 1.0, 1.03, 1.1, 1.4])
@pytest.mark.parametrize("users", [40, 400, 4_000])
def test_the_relative_interval_holds_0_just_where_the_p_value_is_above_5_percent(lift: float, users: int) -> None:
    """The interval, the relative interval and the p-value never contradict each other, however few the users."""
    rows = behave(users, np.repeat([1.0, lift], USERS // 2))
    found = analyse({"control": rows[:users], "explore": rows[-users:]}, "control").differences["explore"]
    for metric in METRICS:
        one = found[metric]
        if one is not None:
            assert (one.p > 0.05) == (one.low < 0 < one.high)
            if one.relative_low is not None and one.relative_high is not None:
                assert (one.p > 0.05) == (one.relative_low < 0 < one.relative_high)


def test_an_estimate_of_a_plain_mean_is_the_textbook_one() -> None:
    """With one answer a user the delta method is the mean and its standard error."""
    users = np.zeros((400, len(COLUMNS)))
    users[:, COLUMNS.index("answers")] = 1
    users[:100, COLUMNS.index("answers_clicked")] = 1
    found = estimate(users, METRICS["ctr"])
    assert found is not None
    assert found.mean == 0.25
    assert found.variance == pytest.approx(0.25 * 0.75 / 399)
    same = compare(found, found)
    assert same is not None
    assert (same.difference, same.p, same.relative) == (0.0, 1.0, 0.0)
