"""How like the item is to what the user took, and to what was asked for."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.base.arrays import Floats
from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import SEARCHED, SIMILAR


class InterestLikeness(Family):
    """Cosines with the user's interests, the newest items and the query's text."""

    groups: ClassVar = {
        "interest": {
            "like_short_interest": "cosine with the user's interest of the last hours",
            "like_long_interest": "cosine with the user's interest of the last weeks",
            "like_newest": "cosine with the user's newest item",
            "like_newest_5": "cosine with the mean of the user's newest 5 items",
        },
        "meaning": {
            "like_text": "cosine with the query's compact vector",
        },
    }
    sentences: ClassVar = {"interest": (SIMILAR,), "meaning": (SEARCHED,)}

    def columns(self, of: Inputs) -> Columns:
        """Cosines; 0 where there is nothing to compare with."""
        user, compact = of.ask.user, of.catalogue.compact
        targets = np.zeros((5, of.vectors.shape[1]), np.float32)
        targets[0], targets[1] = user.short, user.long
        liked = of.seen[of.weight > 0][:5]
        if len(liked):
            targets[2] = compact[liked[0]]
            targets[3] = _unit(compact[liked].mean(axis=0))
        if of.ask.text.compact is not None:
            targets[4] = of.ask.text.compact
        cosines = of.vectors @ targets.T
        names = ("like_short_interest", "like_long_interest", "like_newest", "like_newest_5", "like_text")
        return {name: cosines[:, place] for place, name in enumerate(names)}


def _unit(vector: Floats) -> Floats:
    length = max(float(np.linalg.norm(vector)), 1e-9)
    unit: Floats = np.divide(vector, length, dtype=np.float32)
    return unit
