"""TowerSource: items whose vectors of the item tower are near those of what the user took last.

Score: the cosine of the item's tower vector with the direction, in [-1, 1]; candidates have one above 0. The direction
is the item's own on ``similar``; on ``cart`` the mean over the newest eight anchors (a cart's items come first), the
n-th counting n^-1/2; else the mean over the user's recent liked events, each by its weight, halved after an hour as in
the ranker's input. Without a tower (``artifact build item-tower``) nothing is found and every score is 0.

>>> from models.ask import Recent
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> one = asked("similar", anchors=np.array([0], np.int32))
>>> len(candidates_of(TowerSource(), one, sample(["a", "b"]), 10).rows)
0
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Weighted
from models.base.arrays import Floats, Rows
from models.base.vectors import SLACK, cosines, near_top
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best
from streamrank_client.vocabulary import HOUR_S

CART: Final = 8


class TowerSource(Source):
    """Items by the vectors of the item tower."""

    name = "tower"
    meaning = "near the user's recent items in the item tower"
    surfaces = ("home", "similar", "cart")
    weight = 0.6

    def candidates(self, search: Search, k: int) -> Weighted:
        """The nearest items, rescored row by row."""
        direction, tower = _direction(search), search.tower
        if direction is None or tower is None:
            return Weighted()
        cosine = np.where(search.allowed, tower.vectors(len(search.catalogue)) @ direction, np.float32(-2))
        rows = near_top(cosine, k, above=-SLACK, slack=2 * SLACK)
        return best(rows, self.score(search, rows), k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's cosine; 0 without a tower, or without anything to compare with."""
        direction, tower = _direction(search), search.tower
        if direction is None or tower is None:
            return np.zeros(len(rows), np.float32)
        return cosines(tower.vectors(len(search.catalogue)), rows, direction)


def _direction(search: Search) -> Floats | None:
    """What is looked for, unit length; None when nothing is known of it."""
    ask, tower = search.ask, search.tower
    if tower is None:
        return None
    if ask.query.surface in ("similar", "cart"):
        rows = ask.crowd.anchors[: 1 if ask.query.surface == "similar" else CART]
        weight = 1 / np.sqrt(np.arange(1, len(rows) + 1, dtype=np.float32))
    else:
        recent = ask.user.recent
        rows, weight = recent.rows, recent.weight * (HOUR_S / (HOUR_S + np.maximum(recent.age, 0)))
    known = np.flatnonzero((rows >= 0) & (weight > 0))
    if not len(known):
        return None
    mean = np.einsum("ij,i->j", tower.take(rows[known]), weight[known].astype(np.float32))
    length = float(np.linalg.norm(mean))
    return None if length < 1e-9 else np.asarray(mean / np.float32(length), np.float32)
