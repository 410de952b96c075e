"""Co-visits: what other users took after, or together with, the anchors.

Score of item b: the sum over anchors a of

    w_a (α after_ab + β together_ab) / sqrt(α A_a + β T_a + 1)

where A_a and T_a are the anchor's totals over all its neighbours, known or not. The root makes popular
anchors count no more than rare ones, as in cosine similarity between items (Sarwar et al., "Item-based
collaborative filtering", 2001, with the anchor's half of its norm; the neighbour's own popularity is a
feature of the ranker). Unit: root of decayed co-visits, 0 upwards. The kNN is directed and streamed: session
kNN over the last few items, the newest first (Ludewig and Jannach, "Evaluation of session-based
recommendation algorithms", 2018).

>>> from models.ask import Neighbours
>>> from models.sample import sample
>>> from models.sources.base import search
>>> seen = Neighbours(anchor=np.array([0, 0, 1], np.int32), rows=np.array([1, 2, 2], np.int32),
...                   after=np.array([3, 3, 8], np.float32), together=np.zeros(3, np.float32),
...                   anchor_mass=np.array([[8, 0, 0], [15, 0, 0]], np.float32))
>>> ask = Ask(now=0, surface="home", anchors=np.array([0, 3], np.int32), neighbours=seen)
>>> found = search(Covisits(), ask, sample(["a", "b", "c", "d"]), 10)
>>> found.rows.tolist(), found.weight.tolist()
([2, 1], [2.0, 1.0])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Weighted
from models.sources.base import TableSource, summed


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

    def table(self, ask: Ask) -> Weighted:
        """Each neighbour's score."""
        seen, blend = ask.neighbours, BLENDS.get(ask.surface, _TRAIL)
        # neighbours stand in the order of their anchors: those of the first ones come first
        near = slice(int(np.searchsorted(seen.anchor, min(len(blend.anchors), len(seen.anchor_mass)))))
        anchor = seen.anchor[near]
        mass = seen.anchor_mass[:, :2].astype(np.float64) @ (blend.after, blend.together)
        strength = blend.after * seen.after[near].astype(np.float64) + blend.together * seen.together[near]
        return summed(seen.rows[near], blend.anchors.take(anchor) * strength / np.sqrt(mass + 1).take(anchor))
