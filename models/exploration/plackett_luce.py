"""Exploration by the Plackett-Luce model: one position after another is drawn in proportion to exp(score / T).

Plackett, "The analysis of permutations", 1975; as a stochastic ranking policy: Oosterhuis, "Computationally efficient
optimization of Plackett-Luce ranking models for relevance and fairness", 2021. T = 0 would be the ranked order, a large
T an even draw. A floor or fixed positions change what may be drawn from one position to the next; then one Gumbel noise
an item for the whole list would give other probabilities than those told here, so each position has a draw of its own.

>>> slate = Slate(np.array([2.0, 1.0, 0.0]), np.ones(2, np.bool_), 3, "r1")
>>> one = PlackettLuce(1.0)(slate)
>>> one.order.tolist(), one.propensity.round(3).tolist()
([1, 0, 2], [0.245, 0.881, 1.0])
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from xxhash import xxh3_64_intdigest

from models.base.arrays import Doubles, Places
from models.base.errors import ModelError
from models.exploration.slates import CONDITIONAL, ExploredPage, Slate, checked_floor


@dataclass(frozen=True, slots=True)
class PlackettLuce:
    """``temperature`` T in the unit of the scores; ``floor``: at each position no item is shown whose score is more
    than so many standard deviations of the slate's scores below that of the item ranked there (0: any may be).

    Items come from page one and the next as many. A new item of the slate's pool stands there only by its own share:
    a position is given away with the chance ``given``, evenly among those of the pool that are left; the floor does
    not hold for them. Propensities are given what stands above, and exact. Raises ModelError for a temperature that is
    not above 0.
    """

    temperature: float
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < inf:
            raise ModelError(
                f"temperature: {self.temperature} is none.", "set STREAMRANK_TEMPERATURE to a number above 0."
            )
        checked_floor(self.floor)

    @property
    def name(self) -> str:
        """As in ``STREAMRANK_EXPLORATION``."""
        return CONDITIONAL

    def __call__(self, slate: Slate) -> ExploredPage:
        """The drawn page one, then the others as they were ranked."""
        draw = _Draw(slate, self.temperature, slate.reach(self.floor))
        m = len(slate.free)
        page, own = np.arange(m), np.ones(m)
        before: list[Doubles] = []
        chance = np.random.Generator(np.random.PCG64(xxh3_64_intdigest(slate.request_id.encode())))
        for k in np.flatnonzero(slate.free).tolist():
            odds = draw.odds(k)
            n = _drawn(odds, float(chance.random()))
            page[k], own[k] = draw.places[n], odds[n]
            before.append(odds)
            draw.take(n)
        rest = np.setdiff1d(np.arange(slate.ranked), page, assume_unique=True)
        order = np.concatenate([page, rest])
        propensity, exchange = np.ones(slate.ranked), np.zeros((slate.ranked, 2))
        propensity[:m] = own
        _exchanges(_Draw(slate, self.temperature, slate.reach(self.floor)), slate, page, before, exchange)
        return ExploredPage(order, propensity, exchange)


class _Draw:
    """The items that may be drawn, those of the pool last, and which have been; ``places`` (c,) in the ranked list."""

    def __init__(self, slate: Slate, temperature: float, reach: float) -> None:
        self._slate, self._reach = slate, reach
        inside = np.ones(len(slate.scores), np.bool_)
        inside[: len(slate.free)] = slate.free
        inside[slate.pool[slate.pool < len(inside)]] = False
        ranked = np.flatnonzero(inside)
        self.places: Places = np.concatenate([ranked, slate.pool])
        self._scores = slate.scores[ranked]
        self._utility = self._scores / temperature
        self._left = np.ones(len(self.places), np.bool_)

    def odds(self, position: int) -> Doubles:
        """The probability of each item to be drawn next, for this position, (c,)."""
        own = len(self._scores)
        fit = self._left[:own] & (self._scores >= self._slate.scores[position] - self._reach)
        new = self._left[own:]
        share = self._slate.given if position > 0 and new.any() else 0.0
        found = np.zeros(len(self.places))
        utility = self._utility[fit]
        raised = np.exp(utility - utility.max())
        found[:own][fit] = (1 - share) * raised / raised.sum()
        if share:
            found[own:][new] = share / new.sum()
        return found

    def take(self, n: int, taken: bool = True) -> None:
        """Item ``n`` is drawn, or put back."""
        self._left[n] = not taken


def _drawn(odds: Doubles, uniform: float) -> int:
    """The item that a uniform number picks; never one with probability 0."""
    total = np.cumsum(odds)
    n = int(np.searchsorted(total, uniform * total[-1], side="right"))
    return min(n, int(np.flatnonzero(odds)[-1]))


def _exchanges(draw: _Draw, slate: Slate, page: Places, before: list[Doubles], exchange: Doubles) -> None:
    """Fill in ``exchange`` for the neighbours of page one that were both drawn."""
    at = {place: n for n, place in enumerate(draw.places.tolist())}
    free = np.flatnonzero(slate.free).tolist()
    for turn, k in enumerate(free):
        first = at[int(page[k])]
        if turn + 1 < len(free) and free[turn + 1] == k + 1:
            second = at[int(page[k + 1])]
            draw.take(second)
            other = before[turn][second] * draw.odds(k + 1)[first] if before[turn][second] > 0 else 0.0
            draw.take(second, False)
            exchange[k, 1] = exchange[k + 1, 0] = min(1.0, other / (before[turn][first] * before[turn + 1][second]))
        draw.take(first)
