"""User context: items near the user's interest of the last hour, or of the last month.

Score: the larger of the two cosines between the item's compact vector and the user's short and long interest,
in [-1, 1]; candidates have one above 0. The larger, not the mean: two interests at once should bring items of
both, not items between them.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> catalogue = sample(["a", "b", "c"])
>>> ask = asked("home", short=catalogue.compact[1].copy())
>>> candidates_of(UserContext(), ask, catalogue, 10).rows[:1].tolist()
[1]
"""

from __future__ import annotations

import numpy as np

from models.ask import Weighted
from models.base.arrays import Floats, Rows
from models.base.vectors import SLACK, near_top, nearest
from models.retrieval.sentences import SIMILAR
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best


class UserContext(Source):
    """Items by the user's vectors."""

    name = "context"
    meaning = "near the user's interest"
    surfaces = ("home", "cart")
    weight = 0.3
    sentences = (SIMILAR,)

    def directions(self, search: Search) -> list[Floats]:
        """The short and long interest, where there is one."""
        ask = search.ask
        return [interest for interest in (ask.user.short, ask.user.long) if interest.any()]

    def candidates(self, search: Search, k: int) -> Weighted:
        """The nearest items, rescored row by row."""
        if not search.dense[self.name]:
            return Weighted()
        cosine = (
            search.dense[self.name][0] if len(search.dense[self.name]) == 1 else np.maximum(*search.dense[self.name])
        )
        rows = near_top(np.where(search.allowed, cosine, np.float32(-2)), k, above=-SLACK, slack=2 * SLACK)
        return best(rows, self.score(search, rows), k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's larger cosine; 0 for a user without interests."""
        catalogue = search.catalogue
        interests = self.directions(search)
        return nearest(catalogue.compact, rows, interests) if interests else np.zeros(len(rows), np.float32)
