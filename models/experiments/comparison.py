"""What an experiment shows: rates by arm with intervals, differences to the control, and the sample-ratio check.

Users are what was assigned at random, so they are what varies: a rate such as clicks per answer is a ratio of two sums
over users, its variance that of the delta method (Deng, Knoblich and Lu 2018, "Applying the Delta Method in Metric
Analytics"). Answers of one user are not independent; intervals over answers would be too narrow.

An arm is called better or worse by one metric, the primary one, named beforehand, at the level ``LEVEL`` after
Holm's correction for the number of arms (Holm 1979). The other metrics are shown with their own 95 % intervals and
p-values and decide nothing: with five of them at .05 each, two equal arms would differ in something too often.

>>> users = np.array([[2, 20, 1, 1, 1, 0, 0, 0], [4, 40, 1, 2, 2, 0, 1, 30]], float)
>>> round(estimate(users, METRICS["ctr"]).mean, 3), round(estimate(users, METRICS["dwell_per_click"]).mean, 3)
(0.333, 10.0)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc  # type: ignore[import-untyped]

#: what is summed for each user, in the order of the columns
COLUMNS: Final = (
    "answers", "items", "answers_clicked", "items_clicked", "clicks", "add_to_carts", "purchases", "dwell_seconds",
)  # fmt: skip
#: p-values below it name a better or worse arm, after Holm's correction
LEVEL: Final = 0.01
#: the sample-ratio check raises its alarm below this (Fabijan et al. 2019, "Diagnosing Sample Ratio Mismatch")
RATIO_LEVEL: Final = 0.001
#: with fewer users in an arm the normal approximation is not trusted with a verdict
FEWEST: Final = 100
#: standard normal quantiles: of 95 % intervals; of LEVEL, two-sided; of 80 % power
_Z95, _Z_LEVEL, _Z_POWER = 1.959964, 2.575829, 0.841621

Verdict = Literal["better", "worse", "no difference shown", "too few users", "sample ratio mismatch", "undefined"]
Users = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of two columns; ``buyers`` counts users with a purchase, ``users`` counts users."""

    numerator: str
    denominator: str
    help: str


METRICS: Final = {
    "ctr": Metric("answers_clicked", "answers", "answers with a click, per answer"),
    "ctr_item": Metric("items_clicked", "items", "items clicked, per item shown"),
    "purchases_per_answer": Metric("purchases", "answers", "purchases, per answer"),
    "conversion": Metric("buyers", "users", "users who bought, per user"),
    "dwell_per_click": Metric("dwell_seconds", "clicks", "seconds of dwell, per click"),
}


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """A rate, its 95 % interval, and the variance of the rate."""

    mean: float
    low: float
    high: float
    variance: float


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """An arm minus the control, with a 95 % interval and a two-sided p-value; the same relative to the control.

    ``detectable``: the relative difference that an experiment of this size finds four times in five at ``LEVEL``.
    The relative figures are None where the control's rate is 0, the relative interval also where that rate is so
    uncertain that the interval has no ends.
    """

    difference: float
    low: float
    high: float
    p: float
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    detectable: float | None


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Pearson's chi-square of users by arm against the configured shares, and whether it raises the alarm."""

    chi_square: float
    p: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class Analysis:
    """``metrics`` by arm and metric; ``differences`` by arm, all but the control, and metric; None is undefined."""

    metrics: dict[str, dict[str, RateEstimate | None]]
    differences: dict[str, dict[str, ArmDifference | None]]
    sample_ratio: SampleRatio | None
    verdicts: dict[str, Verdict]

    @property
    def winner(self) -> str | None:
        """The arm called better; None if there is none, or more than one."""
        better = [arm for arm, verdict in self.verdicts.items() if verdict == "better"]
        return better[0] if len(better) == 1 else None


def analyse(
    arms: Mapping[str, Users], control: str, shares: Mapping[str, float] | None = None, primary: str = "ctr"
) -> Analysis:
    """Compare every arm with ``control``; ``arms`` holds a row for each user, columns as ``COLUMNS``, (n, 8).

    Without ``shares`` the sample ratio is not checked. Raises KeyError for an unknown control or metric.
    """
    metrics = {arm: {name: estimate(users, m) for name, m in METRICS.items()} for arm, users in arms.items()}
    differences = {
        arm: {name: compare(metrics[control][name], found[name]) for name in METRICS}
        for arm, found in metrics.items()
        if arm != control
    }
    ratio = sample_ratio([len(arms[a]) for a in shares], list(shares.values())) if shares else None
    small = {arm for arm in differences if min(len(arms[arm]), len(arms[control])) < FEWEST}
    deciding = {arm: found[primary] for arm, found in differences.items()}
    return Analysis(metrics, differences, ratio, _verdicts(deciding, small, ratio))


def estimate(users: Users, metric: Metric) -> RateEstimate | None:
    """A ratio of sums over users (n, 8) by the delta method; None for fewer than two users or a denominator of 0."""
    x, n = _column(users, metric.numerator), _column(users, metric.denominator)
    if len(users) < 2 or not n.sum() > 0:
        return None
    mean = float(x.sum() / n.sum())
    linear = (x - mean * n) / n.mean()
    variance = float(linear @ linear) / (len(users) - 1) / len(users)
    half = _Z95 * math.sqrt(variance)
    return RateEstimate(mean, mean - half, mean + half, variance)


def compare(control: RateEstimate | None, arm: RateEstimate | None) -> ArmDifference | None:
    """An arm against the control, by the normal approximation; None where one is undefined."""
    if control is None or arm is None:
        return None
    difference = arm.mean - control.mean
    error = math.sqrt(control.variance + arm.variance)
    p = math.erfc(abs(difference) / error / math.sqrt(2)) if error else float(difference == 0)
    relative = low = high = detectable = None
    if control.mean > 0:
        relative = arm.mean / control.mean - 1
        low, high = _fieller(control, arm)
        detectable = (_Z_LEVEL + _Z_POWER) * error / control.mean
    half = _Z95 * error
    return ArmDifference(difference, difference - half, difference + half, p, relative, low, high, detectable)


def _fieller(control: RateEstimate, arm: RateEstimate) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of arm ÷ control - 1 (Fieller 1954): it holds 0 if and only if that of the difference does."""
    a = control.mean**2 - _Z95**2 * control.variance
    if a <= 0:
        return None, None
    b, c = arm.mean * control.mean, arm.mean**2 - _Z95**2 * arm.variance
    root = math.sqrt(max(b * b - a * c, 0.0))
    return (b - root) / a - 1, (b + root) / a - 1


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio | None:
    """Whether users fell into the arms as configured; None without users or with fewer than two arms in use.

    >>> sample_ratio([5000, 5100], [0.5, 0.5]).alarm, sample_ratio([5000, 5400], [0.5, 0.5]).alarm
    (False, True)
    """
    total = sum(counts)
    used = [(count, share * total) for count, share in zip(counts, shares, strict=True) if share > 0]
    if not total or len(used) < 2:
        return None
    if any(count for count, share in zip(counts, shares, strict=True) if share <= 0):
        return SampleRatio(math.inf, 0.0, True)
    statistic = sum((count - expected) ** 2 / expected for count, expected in used)
    p = float(chdtrc(len(used) - 1, statistic))
    return SampleRatio(statistic, p, p < RATIO_LEVEL)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given.

    >>> holm([0.04, 0.01, 0.03])
    [0.06, 0.03, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, n in enumerate(order):
        highest = max(highest, min(1.0, p_values[n] * (len(order) - rank)))
        adjusted[n] = highest
    return adjusted


def _verdicts(
    deciding: Mapping[str, ArmDifference | None], small: set[str], ratio: SampleRatio | None
) -> dict[str, Verdict]:
    known = {arm: found for arm, found in deciding.items() if found is not None}
    adjusted = dict(zip(known, holm([found.p for found in known.values()]), strict=True))

    def verdict(arm: str) -> Verdict:
        if ratio is not None and ratio.alarm:
            return "sample ratio mismatch"
        if arm in small:
            return "too few users"
        if arm not in known:
            return "undefined"
        if adjusted[arm] >= LEVEL:
            return "no difference shown"
        return "better" if known[arm].difference > 0 else "worse"

    return {arm: verdict(arm) for arm in deciding}


def _column(users: Users, name: str) -> NDArray[np.float64]:
    if name == "users":
        return np.ones(len(users))
    if name == "buyers":
        return (users[:, COLUMNS.index("purchases")] > 0).astype(np.float64)
    column: NDArray[np.float64] = users[:, COLUMNS.index(name)]
    return column
