"""Off-policy estimates: what another policy would have earned, from what one policy showed and earned.

Each row is one item shown at one position. With w = target / propensity (cut at ``clip``) and r the reward:

- IPS, mean of w r: unbiased, of high variance (Horvitz and Thompson, 1952).
- SNIPS, sum of w r / sum of w: a small bias, bounded by the rewards (Swaminathan and Joachims, "The
  self-normalized estimator for counterfactual learning", 2015).
- DR, mean of v + w (r - q): with a model q of the reward and its mean v under the target; unbiased if either the
  propensities or the model are right (Dudík, Langford and Li, "Doubly robust policy evaluation and learning", 2011).

Intervals are normal, from each row's influence on the estimate, summed by request: what a request showed is not
independent. Cutting weights biases all three downwards where it cuts.

>>> shown = ShownLists(reward=np.array([1.0, 0, 1, 0]), propensity=np.full(4, 0.5), target=np.array([1.0, 0, 1, 0]))
>>> ips(shown).value, snips(shown).value, effective(shown)
(1.0, 1.0, 2.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from models.base.arrays import Doubles, Ints
from models.base.errors import ModelError

#: weights are cut here unless told otherwise
CLIP: Final = 100.0
#: fewer effective rows, or rewarded rows with a weight, than this are too few to say anything
LEAST_ROWS: Final = 100.0
LEAST_REWARDS: Final = 10
WIDTH: Final = 1.959964


@dataclass(frozen=True)
class ShownLists:
    """n items shown. ``reward``; ``propensity``: with which the item was shown there, above 0; ``target``: with
    which the new policy would have; ``request``: rows of one number hang together (default: each alone);
    ``expected``, ``value``: for DR, the modelled reward of this row and its mean under the new policy. (n,) each.
    """

    reward: Doubles
    propensity: Doubles
    target: Doubles
    request: Ints | None = None
    expected: Doubles | None = None
    value: Doubles | None = None

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~(self.propensity > 0) | (self.propensity > 1))
        if len(wrong):
            found = self.propensity[wrong[0]]
            raise ModelError(
                f"row {wrong[0]}: propensity is {found}; expected above 0, at most 1.",
                "log the probability with which each item was shown.",
            )


class PolicyEstimate(msgspec.Struct, frozen=True):
    """A policy's mean reward for each item shown, with its 95 % interval."""

    value: float
    low: float
    high: float


def weights(shown: ShownLists, clip: float = CLIP) -> Doubles:
    """How much more likely the new policy was to show each row, cut at ``clip``, (n,)."""
    cut: Doubles = np.minimum(shown.target / shown.propensity, clip)
    return cut


def effective(shown: ShownLists, clip: float = CLIP) -> float:
    """The effective sample size, (sum of w)² / sum of w² (Kong, 1992); 0 where nothing has a weight."""
    w = weights(shown, clip)
    squares = float(np.square(w).sum())
    return float(w.sum()) ** 2 / squares if squares else 0.0


def ips(shown: ShownLists, clip: float = CLIP) -> PolicyEstimate:
    """Inverse propensity scoring."""
    gains = weights(shown, clip) * shown.reward
    return _estimate(float(gains.mean()), gains - gains.mean(), shown)


def snips(shown: ShownLists, clip: float = CLIP) -> PolicyEstimate:
    """Self-normalised inverse propensity scoring; 0 where nothing has a weight."""
    w = weights(shown, clip)
    if not w.any():
        return PolicyEstimate(0.0, 0.0, 0.0)
    value = float((w * shown.reward).sum() / w.sum())
    return _estimate(value, w * (shown.reward - value) / w.mean(), shown)


def doubly_robust(shown: ShownLists, clip: float = CLIP) -> PolicyEstimate:
    """The doubly robust estimate. Raises ModelError without ``expected`` and ``value``."""
    if shown.expected is None or shown.value is None:
        raise ModelError("doubly robust: no model of the reward.", "give expected and value.")
    gains = shown.value + weights(shown, clip) * (shown.reward - shown.expected)
    return _estimate(float(gains.mean()), gains - gains.mean(), shown)


def on_policy(shown: ShownLists) -> PolicyEstimate:
    """What the policy that was logged earned."""
    return _estimate(float(shown.reward.mean()), shown.reward - shown.reward.mean(), shown)


#: every estimator by name
ESTIMATORS: Final[dict[str, Callable[[ShownLists, float], PolicyEstimate]]] = {
    "ips": ips,
    "snips": snips,
    "dr": doubly_robust,
}


def doubts(shown: ShownLists, clip: float = CLIP) -> list[str]:
    """Why the estimates should not be trusted, a sentence each; none where nothing speaks against them."""
    w = weights(shown, clip)
    found = []
    size, rewarded = effective(shown, clip), int(((w > 0) & (shown.reward > 0)).sum())
    if size < LEAST_ROWS:
        found.append(f"the effective sample size is {size:.0f}, less than {LEAST_ROWS:.0f}: log more, or explore more")
    if rewarded < LEAST_REWARDS:
        found.append(f"only {rewarded} rewarded rows have a weight, fewer than {LEAST_REWARDS}")
    cut = float((shown.target / shown.propensity > clip).mean())
    if cut > 0:
        found.append(f"{cut:.2%} of the weights were cut at {clip:g}: the estimates are too low")
    if abs(float(w.mean()) - 1) > 0.2:
        mean = f"the weights' mean is {w.mean():.2f}, far from 1"
        found.append(f"{mean}: the policies share too little, or a propensity is wrong")
    return found


class RewardTable:
    """A model of the reward: the mean by item and position, drawn towards the position's mean.

    Cross-fitted: the rows of a fold are modelled from the others, so that DR stays unbiased (Chernozhukov et al.,
    "Double/debiased machine learning", 2018). ``item`` and ``position`` (n,) from 0; ``fold`` (n,): 0 or 1.

    >>> item, fold = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    >>> table = RewardTable(item, np.zeros(4, np.int64), np.array([1.0, 1, 0, 0]), fold, prior=1.0)
    >>> table.of(np.array([0, 1]), np.zeros(2, np.int64), np.zeros(2, np.int64)).tolist()
    [0.75, 0.25]
    """

    def __init__(self, item: Ints, position: Ints, reward: Doubles, fold: Ints, prior: float = 20.0) -> None:
        self._items, positions = int(item.max(initial=0)) + 1, int(position.max(initial=0)) + 1
        size = self._items * positions
        self._tables = []
        for own in (0, 1):
            other = fold != own
            cell = item[other] + self._items * position[other]
            rewards = np.bincount(cell, weights=reward[other], minlength=size).reshape(positions, self._items)
            counts = np.bincount(cell, minlength=size).reshape(positions, self._items)
            base = rewards.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            self._tables.append((rewards + prior * base) / (counts + prior))

    def of(self, item: Ints, position: Ints, fold: Ints) -> Doubles:
        """The modelled reward of items at positions, as the other fold tells it, (n,)."""
        both = np.stack(self._tables)
        found: Doubles = both[fold, position, item]
        return found

    def mean(self, position: Ints, fold: Ints) -> Doubles:
        """The modelled reward under the policy that shows every item with the same probability, (n,)."""
        found: Doubles = np.stack(self._tables).mean(axis=2)[fold, position]
        return found


def _estimate(value: float, influence: Doubles, shown: ShownLists) -> PolicyEstimate:
    sums = influence
    if shown.request is not None:
        _, place = np.unique(shown.request, return_inverse=True)
        sums = np.bincount(place, weights=influence).astype(np.float64)
    # the small-sample factor of a cluster-robust variance
    error = float(np.sqrt(np.square(sums).sum() * len(sums) / max(len(sums) - 1, 1))) / max(len(influence), 1)
    return PolicyEstimate(value, value - WIDTH * error, value + WIDTH * error)
