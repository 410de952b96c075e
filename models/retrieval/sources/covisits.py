"""Co-visits: what other users took after, or together with, the anchors.

Score of item b: the sum over anchors a of

    w_a (α after_ab + β together_ab) / sqrt(α A_a + β T_a + 1)

where A_a and T_a are the anchor's totals over all its neighbours, known or not. The root makes popular
anchors count no more than rare ones, as in cosine similarity between items (Sarwar et al., "Item-based
collaborative filtering", 2001, with the anchor's half of its norm; the neighbour's own popularity is a
feature of the ranker). Unit: root of decayed co-visits, 0 upwards. The kNN is directed and streamed: session
kNN over the last few items, the newest first (Ludewig and Jannach, "Evaluation of session-based
recommendation algorithms", 2018).

>>> from models.ask import Followers
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> seen = Followers(anchor=np.array([0, 0, 1], np.int32), rows=np.array([1, 2, 2], np.int32),
...                  after=np.array([3, 3, 8], np.float32))
>>> ask = asked("home", anchors=np.array([0, 3], np.int32), followers=seen,
...           anchor_mass=np.array([[8, 0, 0], [15, 0, 0]], np.float32))
>>> found = candidates_of(Covisits(), ask, sample(["a", "b", "c", "d"]), 10)
>>> found.rows.tolist(), found.weight.tolist()
([2, 1], [2.0, 1.0])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Weighted
from models.retrieval.sentences import BESIDE, FOLLOWED
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed


@dataclass(frozen=True)
class Blend:
    """How a surface weighs anchors in order (none beyond), and the two kinds of co-visit (α, β)."""

    anchors: NDArray[np.float64]
    after: float
    together: float


_TRAIL: Final = Blend(1 / np.arange(1, 21), 1.0, 0.5)
#: A cart has no order worth much, and what is bought together matters most; an item has one anchor: itself.
BLENDS: Final = {
    "cart": Blend(1 / np.sqrt(np.arange(1, 9)), 0.5, 1.0),
    "similar": Blend(np.ones(1), 1.0, 1.0),
}


class Covisits(TableSource):
    """Neighbours of the user's last items, the cart's, or the item's."""

    name = "covisits"
    meaning = "taken after, or together with, the user's last items"
    surfaces = ("home", "similar", "cart")
    weight = 0.9
    sentences = (FOLLOWED, BESIDE)

    def table(self, ask: Ask) -> Weighted:
        """Each neighbour's score."""
        blend, came, went = BLENDS.get(ask.query.surface, _TRAIL), ask.crowd.followers, ask.crowd.companions
        used = min(len(blend.anchors), len(ask.crowd.anchor_mass))
        mass = ask.crowd.anchor_mass[:used, :2].astype(np.float64) @ (blend.after, blend.together)
        weight = blend.anchors[:used] / np.sqrt(mass + 1)
        # both stand in the order of their anchors: those of the first ones come first
        after, beside = (slice(int(np.searchsorted(seen.anchor, used))) for seen in (came, went))
        rows = np.concatenate([came.rows[after], went.rows[beside]])
        strength = [
            blend.after * weight.take(came.anchor[after]) * came.after[after],
            blend.together * weight.take(went.anchor[beside]) * went.together[beside],
        ]
        return summed(rows, np.concatenate(strength))
