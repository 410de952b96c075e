"""Popular: what was popular over the last half year (half-life 180 days); ``trending`` looks at days and weeks.

Score: the item's popularity as a share of the top item's, in [0, 1].

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> year = Weighted(np.array([1, 0], np.int32), np.array([8, 2], np.float32))
>>> ask = asked("home", trends=(Weighted(), Weighted(), Weighted(), year))
>>> candidates_of(Popular(), ask, sample(["a", "b"]), 10).weight.tolist()
[1.0, 0.25]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.sentences import POPULAR
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed

#: place of the half-life of 180 days among the trends
HALF_YEAR: Final = 3


class Popular(TableSource):
    """Items that were popular for long."""

    name = "popular"
    meaning = "popular over the last half year"
    surfaces = ("home", "cart")
    weight = 0.6
    sentences = (POPULAR,)

    def table(self, ask: Ask) -> Weighted:
        """Each item's share of the most popular one's weight."""
        if len(ask.crowd.trends) <= HALF_YEAR:
            return Weighted()
        trend = ask.crowd.trends[HALF_YEAR]
        weight = np.maximum(trend.weight.astype(np.float64), 0)
        return summed(trend.rows, weight / max(float(weight.max(initial=0)), 1e-30))
