"""Intervals by bootstrap over users: users are drawn, not events, for a user's events are not independent.

The same draws serve every system and metric, so that differences are paired (Efron and Tibshirani, "An
introduction to the bootstrap", 1993; percentile intervals).

>>> users = np.array([0, 0, 1, 2])
>>> draws = Draws(users, seed=0)
>>> one = draws.mean(np.array([1.0, 0.0, 1.0, 0.0]))
>>> one.mean, 0 <= one.low <= one.mean <= one.high <= 1
(0.5, True)
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles

DRAWS: Final = 1_000
LEVELS: Final = (2.5, 97.5)


class Interval(msgspec.Struct, frozen=True):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class RelativeDifference(msgspec.Struct, frozen=True):
    """A relative difference, 0.1 for ten percent more, with its 95 % interval."""

    relative: float
    low: float
    high: float


class Draws:
    """Resampled users of T tested events; ``users`` (T,) numbers them in any way."""

    def __init__(self, users: NDArray[np.integer], seed: int = 0, draws: int = DRAWS) -> None:
        _, self._user = np.unique(users, return_inverse=True)
        self._count = int(self._user.max(initial=-1)) + 1
        rng = np.random.default_rng(seed)
        # how often each draw holds each user, (draws, users)
        self._times = rng.multinomial(self._count, np.full(self._count, 1 / max(self._count, 1)), size=draws).astype(
            np.float64
        )

    def mean(self, values: Doubles, among: NDArray[np.bool_] | None = None) -> Interval:
        """The mean of ``values`` (T,), or of those ``among`` them; 0 where there are none."""
        keep = np.ones(len(values), np.bool_) if among is None else among
        if not keep.any():
            return Interval(0.0, 0.0, 0.0)
        means = self._means(values, keep)
        low, high = np.percentile(means[np.isfinite(means)], LEVELS)
        return Interval(float(values[keep].mean()), float(low), float(high))

    def gain(self, values: Doubles, over: Doubles, among: NDArray[np.bool_] | None = None) -> RelativeDifference | None:
        """By how much the mean of ``values`` is above that of ``over``, as a share of it; None where that is 0."""
        keep = np.ones(len(values), np.bool_) if among is None else among
        if not keep.any() or not over[keep].mean() > 0:
            return None
        below = self._means(over, keep)
        ratios = self._means(values, keep)[below > 0] / below[below > 0] - 1
        low, high = np.percentile(ratios, LEVELS)
        return RelativeDifference(float(values[keep].mean() / over[keep].mean() - 1), float(low), float(high))

    def _means(self, values: Doubles, keep: NDArray[np.bool_]) -> Doubles:
        """The mean in each draw, (draws,); NaN where a draw holds none of the users."""
        sums = np.bincount(self._user, weights=values * keep, minlength=self._count)
        sizes = np.bincount(self._user, weights=keep, minlength=self._count)
        with np.errstate(invalid="ignore"):
            means: Doubles = (self._times @ sums) / (self._times @ sizes)
        return means
