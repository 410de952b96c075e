"""Co-visits over longer stretches of histories: what goes with the user's last twenty items.

Score of item b: the sum over the newest 20 anchors a, the n-th of them, of

    n^-1/2  w_ab / sqrt(W_a + 1)

where W_a is the anchor's total: the anchor's half of a cosine (Sarwar et al., "Item-based collaborative filtering",
2001). The neighbour's half, its own popularity, is left to the ranker's features. Unit: root of decayed co-visits, 0
upwards.

>>> from models.ask import Companions
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> seen = Companions(anchor=np.array([0, 0, 1], np.int32), rows=np.array([1, 2, 2], np.int32),
...                   together=np.zeros(3, np.float32), wide=np.array([3, 3, 8], np.float32))
>>> ask = asked("home", anchors=np.array([0, 3], np.int32), companions=seen,
...           anchor_mass=np.array([[0, 0, 8], [0, 0, 15]], np.float32))
>>> found = candidates_of(WideCovisits(), ask, sample(["a", "b", "c", "d"]), 10)
>>> found.rows.tolist(), [round(float(w), 2) for w in found.weight]
([2, 1], [2.41, 1.0])
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.sentences import BESIDE, FOLLOWED
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed

#: anchors that count here, of the 31 whose co-visits are read for all sources, and how their weight falls
ANCHORS: Final = 20
FALL: Final = 0.5


class WideCovisits(TableSource):
    """Neighbours within ten events, or within an hour."""

    name = "covisits_wide"
    meaning = "goes with the user's last 20 items"
    surfaces = ("home", "similar", "cart")
    weight = 1.0
    sentences = (FOLLOWED, BESIDE)

    def table(self, ask: Ask) -> Weighted:
        """Each neighbour's score."""
        seen = ask.crowd.companions
        weight = np.arange(1, len(ask.crowd.anchor_mass) + 1) ** -FALL
        weight[ANCHORS:] = 0
        weight /= np.sqrt(ask.crowd.anchor_mass[:, 2].astype(np.float64) + 1)
        return summed(seen.rows, weight[seen.anchor] * seen.wide)
