"""Tower: items whose vectors of the item tower are near those of what the user took last.

Score: the cosine of the item's tower vector with the direction, in [-1, 1]; candidates have one above 0. The direction
is the item's own on ``similar``; on ``cart`` the mean over the newest eight anchors (a cart's items come first), the
n-th counting n^-1/2; else the mean over the user's recent liked events, each by its weight, halved after an hour as in
the ranker's input. Without a tower (``artifact build item-tower``) nothing is found and every score is 0.

>>> from models.ask import Recent
>>> from models.sample import sample
>>> from models.retrieval.sources.base import search
>>> one = Ask(now=0, surface="similar", anchors=np.array([0], np.int32))
>>> len(search(Tower(), one, sample(["a", "b"]), 10).rows)
0
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sources.base import SLACK, Scope, best, cosines, near_top

HOUR_S: Final = 3600.0
CART: Final = 8


class Tower:
    """Items by the vectors of the item tower."""

    name = "tower"

    def directions(self, ask: Ask, catalogue: Catalogue) -> list[Floats]:
        """None: the search is not among the titles' vectors."""
        return []

    def candidates(self, ask: Ask, catalogue: Catalogue, k: int, scope: Scope) -> Weighted:
        """The nearest items, rescored row by row."""
        direction = _direction(ask, catalogue)
        if direction is None or catalogue.tower is None:
            return Weighted()
        cosine = np.where(scope.allowed, catalogue.tower.vectors(len(catalogue)) @ direction, np.float32(-2))
        rows = near_top(cosine, k, above=-SLACK, slack=2 * SLACK)
        return best(rows, self.score(ask, catalogue, rows), k, scope.liked)

    def score(self, ask: Ask, catalogue: Catalogue, rows: Rows) -> Floats:
        """Each row's cosine; 0 without a tower, or without anything to compare with."""
        direction = _direction(ask, catalogue)
        if direction is None or catalogue.tower is None:
            return np.zeros(len(rows), np.float32)
        return cosines(catalogue.tower.vectors(len(catalogue)), rows, direction)


def _direction(ask: Ask, catalogue: Catalogue) -> Floats | None:
    """What is looked for, unit length; None when nothing is known of it."""
    if catalogue.tower is None:
        return None
    if ask.query.surface in ("similar", "cart"):
        rows = ask.crowd.anchors[: 1 if ask.query.surface == "similar" else CART]
        weight = 1 / np.sqrt(np.arange(1, len(rows) + 1, dtype=np.float32))
    else:
        rows, weight = ask.user.recent.rows, ask.user.recent.weight * (HOUR_S / (HOUR_S + np.maximum(ask.user.recent.age, 0)))
    known = np.flatnonzero((rows >= 0) & (weight > 0))
    if not len(known):
        return None
    mean = np.einsum("ij,i->j", catalogue.tower.take(rows[known]), weight[known].astype(np.float32))
    length = float(np.linalg.norm(mean))
    return None if length < 1e-9 else np.asarray(mean / np.float32(length), np.float32)
