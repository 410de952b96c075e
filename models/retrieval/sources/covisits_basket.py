"""Co-visits of the basket: what goes into it with what is in it already.

Score of item b: the mean over the basket's items a of

    together_ab / (T_a + 1)

the share of what was used within an hour of a that was b; T_a is the anchor's total. The basket are the items that the
query names, else those of the user's last hour before it; where there are none, those of the hour that ended with the
user's newest item: who comes back often goes on. Unit: share, 0 to 1. In-basket co-occurrence finds more on baskets
of thirty than any order of them (docs/decisions/0018-whole-baskets.md).

>>> from models.ask import Companions, Recent
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> seen = Companions(anchor=np.array([0, 0, 1], np.int32), rows=np.array([1, 2, 2], np.int32),
...                   together=np.array([3, 3, 8], np.float32), wide=np.zeros(3, np.float32))
>>> recent = Recent(rows=np.array([0, 3], np.int32), age=np.array([60, 7200], np.float32))
>>> ask = asked("home", recent=recent, anchors=np.array([0, 3], np.int32), companions=seen,
...           anchor_mass=np.array([[0, 5, 0], [0, 7, 0]], np.float32))
>>> found = candidates_of(BasketCovisits(), ask, sample(["a", "b", "c", "d"]), 10)
>>> found.rows.tolist(), found.weight.tolist()
([1, 2], [0.5, 0.5])
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.baskets import in_hand_or_last
from models.retrieval.sentences import BESIDE, FOLLOWED
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed


class BasketCovisits(TableSource):
    """Neighbours within an hour of the basket's items."""

    name = "covisits_basket"
    meaning = "goes into one basket with what is in it"
    surfaces = ("home", "cart")
    weight = 1.0
    sentences = (FOLLOWED, BESIDE)

    def table(self, ask: Ask) -> Weighted:
        """Each neighbour's score."""
        seen = ask.crowd.companions
        basket = in_hand_or_last(ask)
        near = np.flatnonzero(basket.take(seen.anchor))
        anchor = seen.anchor.take(near)
        share = seen.together.take(near) / (ask.crowd.anchor_mass[:, 1].astype(np.float64) + 1).take(anchor)
        return summed(seen.rows.take(near), share / max(int(basket.sum()), 1))
