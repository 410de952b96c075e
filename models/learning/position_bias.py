"""Position bias: how likely an item is to be looked at for its position alone, learnt from clicks on explored answers.

The model is that of positions: P(click) = examination of the position × relevance of the item (Richardson,
Dominowska and Ragno 2007). Exploration exchanges items between positions at random; where an item could have stood at
either of two neighbouring positions, the clicks on it there differ by the positions' examination alone (swap
interventions of Joachims, Swaminathan and Schnabel 2017, "Unbiased Learning-to-Rank with Biased Feedback"; harvested
from a policy that explores anyway, in a chain of neighbours: Agarwal et al. 2019, "Estimating Position Bias without
Intrusive Interventions").

A click counts min(1, P' / P): P the probability of what was shown, P' with the item at the neighbouring position. So
either position is weighted as if it held every item with the smaller of the two probabilities, no weight exceeds 1, and
answers without clicks are not needed. Without exploration nothing is learnt, and nothing corrected.

>>> bias = PositionBias()
>>> clicks = [0] * 300 + [1] * 140
>>> all([bias.learn(position, up=float(position == 1), down=float(position == 0)) for position in clicks])
True
>>> bias.examination()[:3].tolist(), bias.weight(0), bias.weight(1), bias.known
([1.0, 0.5, 0.5], 0.5, 1.0, 2)
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.errors import StateError

#: positions that are told apart; further ones are as the last
POSITIONS: Final = 100
#: so many clicks on either side are put to each pair of neighbours, so that few clicks say little
PRIOR: Final = 20.0
#: a click is weighted by at most so many times that of another
CLIP: Final = 10.0
LAYOUT: Final = "1"
#: epsilon-swap: what has a smaller propensity came from behind the page
CAME: Final = 0.5
TINY: Final = 1e-12


def exchanges(propensities: NDArray[np.float64], conditional: bool) -> NDArray[np.float64]:
    """How each item of a page could have stood one position higher and one lower, (m, 2), by its propensities alone.

    For logs of answers, which do not carry ``models.exploration.slates.ExploredPage.exchange``. ``conditional``:
    propensities given what stands above (Plackett-Luce): exact where there is no floor and no share for new items. Else
    (epsilon-swap): what came from behind the page could have come to either neighbour as well; exact where positions
    have the same odds. A position with propensity 1 was not explored.

    >>> exchanges(np.array([0.95, 0.005, 0.95]), False).tolist()
    [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    >>> exchanges(np.array([0.5, 0.5, 1.0]), True).round(3).tolist()
    [[0.0, 0.667], [0.667, 0.0], [0.0, 0.0]]
    """
    found = np.zeros((len(propensities), 2))
    first, second = propensities[:-1], propensities[1:]
    moves = (first < 1) & (second < 1)
    if conditional:
        ratio = np.minimum((1 - first) / np.maximum(1 - second * (1 - first), TINY), 1.0)
        found[:-1, 1] = found[1:, 0] = np.where(moves, ratio, 0.0)
        return found
    found[:-1, 1] = moves & (first < CAME)
    found[1:, 0] = moves & (second < CAME)
    return found


class _State(msgspec.Struct, frozen=True, kw_only=True):
    layout: str
    higher: tuple[float, ...]
    lower: tuple[float, ...]


class PositionBias:
    """Weighted clicks of each pair of neighbouring positions, n and n + 1, at the ``higher`` and the ``lower`` one."""

    def __init__(self) -> None:
        self._higher = np.zeros(POSITIONS - 1)
        self._lower = np.zeros(POSITIONS - 1)

    def learn(self, position: int, up: float, down: float) -> bool:
        """Count a click at ``position`` (from 0) with its exchange weights; returns whether it says anything."""
        if not (0 <= up <= 1 and 0 <= down <= 1) or not 0 <= position < POSITIONS:
            return False
        if position < POSITIONS - 1:
            self._higher[position] += down
        if position > 0:
            self._lower[position - 1] += up
        return up > 0 or down > 0

    @property
    def known(self) -> int:
        """How many positions there is a comparison for; the examination of those after is that of the last."""
        compared = np.flatnonzero(self._higher + self._lower)
        return int(compared[-1]) + 2 if len(compared) else 0

    def examination(self) -> NDArray[np.float64]:
        """Examination by position relative to the first, (POSITIONS,)."""
        ratios = (self._lower + PRIOR) / (self._higher + PRIOR)
        found: NDArray[np.float64] = np.concatenate([[1.0], np.cumprod(ratios)])
        return found

    def weight(self, position: int) -> float:
        """The inverse examination of a position, cut at CLIP, as a part of the largest; 1 where nothing is known.

        So no step of learning is longer than without the correction: whole inverses as weights made them so long that
        the noise cost more than the bias (docs/quality.md).
        """
        if not self.known:
            return 1.0
        inverse = np.minimum(1 / self.examination(), CLIP)
        return float(inverse[min(position, POSITIONS - 1)] / inverse[: self.known].max().clip(inverse[-1]))

    def state(self) -> bytes:
        """Everything that was learnt, as msgpack: ``restore`` continues exactly. Stored: only append fields."""
        end = max(self.known - 1, 0)
        return msgspec.msgpack.encode(
            _State(layout=LAYOUT, higher=tuple(self._higher[:end].tolist()), lower=tuple(self._lower[:end].tolist()))
        )

    @classmethod
    def restore(cls, state: bytes) -> PositionBias:
        """What ``state`` was taken of. Raises StateError when it cannot be continued from."""
        remedy = "delete the key position_bias:* in Redis: it is learnt anew."
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise StateError(f"state of the position bias: {error}.", remedy) from None
        numbers = np.array([*saved.higher, *saved.lower])
        fits = saved.layout == LAYOUT and len(saved.higher) == len(saved.lower) < POSITIONS
        if not fits or not (np.isfinite(numbers) & (numbers >= 0)).all():
            raise StateError(
                f"state of the position bias: layout {saved.layout!r} with {len(numbers)} numbers.", remedy
            )
        found = cls()
        found._higher[: len(saved.higher)] = saved.higher
        found._lower[: len(saved.lower)] = saved.lower
        return found
