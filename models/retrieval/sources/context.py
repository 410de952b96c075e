"""User context: items near the user's interest of the last hour, or of the last month.

Score: the larger of the two cosines between the item's compact vector and the user's short and long interest,
in [-1, 1]; candidates have one above 0. The larger, not the mean: two interests at once should bring items of
both, not items between them.

>>> from models.sample import sample
>>> from models.retrieval.sources.base import search
>>> catalogue = sample(["a", "b", "c"])
>>> ask = Ask(now=0, surface="home", short=catalogue.compact[1].copy())
>>> search(UserContext(), ask, catalogue, 10).rows[:1].tolist()
[1]
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sources.base import SLACK, Scope, best, near_top, nearest


class UserContext:
    """Items by the user's vectors."""

    name = "context"

    def directions(self, ask: Ask, catalogue: Catalogue) -> list[Floats]:
        """The short and long interest, where there is one."""
        return [interest for interest in (ask.user.short, ask.user.long) if interest.any()]

    def candidates(self, ask: Ask, catalogue: Catalogue, k: int, scope: Scope) -> Weighted:
        """The nearest items, rescored row by row."""
        if not scope.dense:
            return Weighted()
        cosine = scope.dense[0] if len(scope.dense) == 1 else np.maximum(*scope.dense)
        rows = near_top(np.where(scope.allowed, cosine, np.float32(-2)), k, above=-SLACK, slack=2 * SLACK)
        return best(rows, self.score(ask, catalogue, rows), k, scope.liked)

    def score(self, ask: Ask, catalogue: Catalogue, rows: Rows) -> Floats:
        """Each row's larger cosine; 0 for a user without interests."""
        interests = self.directions(ask, catalogue)
        return nearest(catalogue.compact, rows, interests) if interests else np.zeros(len(rows), np.float32)
