"""Popularity that fades, at several half-lives at once.

>>> popular = PopularityTable(items=2, half_lives=(1.0,))
>>> popular.add(np.array([0, 1]), np.array([0, 86_400_000]))
>>> popular.weights(0).tolist()
[0.5, 1.0]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints
from streamrank_client.vocabulary import DAY_MS

#: days; the last never fades
HALF_LIVES: Final = (0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0, np.inf)
#: a sum is brought to a new landmark before its weights grow beyond 2 to this power
MOST: Final = 200.0


class PopularityTable:
    """Decayed counts of events by item, for each half-life in days."""

    def __init__(self, items: int, half_lives: Sequence[float] = HALF_LIVES) -> None:
        self.half_lives = tuple(half_lives)
        self._sums = np.zeros((len(self.half_lives), items))
        self._landmark = np.zeros(len(self.half_lives))
        self._now = 0.0

    def add(self, item: Ints, time: Ints) -> None:
        """Count events, (m,) both, times in Unix ms and ascending."""
        if not len(item):
            return
        days = time / DAY_MS
        for n, half_life in enumerate(self.half_lives):
            self._move(n, half_life, float(days[-1]))
            weight = np.exp2((days - self._landmark[n]) / half_life)
            np.add.at(self._sums[n], item, weight)
        self._now = float(days[-1])

    def weights(self, which: int) -> NDArray[np.float64]:
        """The counts at half-life number ``which`` as they stood at the last event, (items,)."""
        scale = np.exp2((self._landmark[which] - self._now) / self.half_lives[which])
        weights: NDArray[np.float64] = self._sums[which] * scale
        return weights

    def _move(self, which: int, half_life: float, now: float) -> None:
        ahead = (now - self._landmark[which]) / half_life
        if ahead > MOST:
            self._sums[which] *= np.exp2(-min(ahead, 1_000.0))
            self._landmark[which] = now
