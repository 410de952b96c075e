"""Repurchase: what the user buys again and again, when it is due.

Score: the rate at which the user is expected to buy the item now, in purchases a day, by the modified Poisson-Gamma
model of Bhagat et al., "Buy It Again: Modeling Repeat Purchase Recommendations" (KDD 2018), section 4.4:

    (k + ALPHA) / (s + 2 |g - t| + BETA)  while t < 2 g,  else (k + ALPHA) / (s + t + BETA)

for k purchases on different days, the first and the last of them s days apart, t days ago the last, with a mean gap
of g = s / (k - 1) days (TYPICAL days after the first). So an item bought every week comes up after a week, one
bought yesterday does not, and one that was given up sinks.

>>> from models.ask import Bought
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> had = Bought(rows=np.array([0, 1, 2], np.int32), count=np.array([4, 4, 1], np.float32),
...              span=np.array([21, 21, 0], np.float32), since=np.array([7, 1, 300], np.float32))
>>> ask = asked("home", bought=had)
>>> candidates_of(Repurchase(), ask, sample(["milk, due", "bread, of yesterday", "once"]), 10).rows.tolist()
[0, 1, 2]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Bought, Weighted
from models.base.arrays import Floats
from models.retrieval.sentences import OWN
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed

ALPHA: Final = 0.5
BETA: Final = 14.0
#: the gap expected after a first purchase, in days
TYPICAL: Final = 28.0


class Repurchase(TableSource):
    """Items that the user bought before."""

    name = "repurchase"
    meaning = "purchases expected a day"
    surfaces = ("home", "cart")
    weight = 0.7
    sentences = (OWN,)

    def table(self, ask: Ask) -> Weighted:
        """Each item's rate; the soonest expected has the highest."""
        had = ask.user.bought
        gap, since = gaps(had), np.maximum(had.since, 0)
        waited = np.where(since < 2 * gap, 2 * np.abs(gap - since), since)
        return summed(had.rows, (had.count + ALPHA) / (had.span + waited + BETA))


def gaps(had: Bought) -> Floats:
    """The mean days between two purchases of each item bought, TYPICAL after the first."""
    again = had.count > 1
    found: Floats = np.where(again, had.span / np.maximum(had.count - 1, 1), TYPICAL).astype(np.float32)
    return np.maximum(found, np.float32(1))
