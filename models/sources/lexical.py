"""Lexical search: items whose titles share words with the query.

Score: BM25, 0 upwards (a rare word in a short title of a large catalogue: about 10).

>>> from models.sample import sample
>>> from models.sources.base import search
>>> found = search(Lexical(), Ask(now=0, surface="search", tokens=("red", "tea")),
...                sample(["green tea", "red tea", "wine"]), 10)
>>> found.rows.tolist()
[1, 0]
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Floats, Rows, Weighted
from models.catalogue import Catalogue
from models.sources.base import Scope, best, near_top


class Lexical:
    """Items by words."""

    name = "lexical"

    def directions(self, ask: Ask, catalogue: Catalogue) -> list[Floats]:
        """None: nothing dense."""
        return []

    def candidates(self, ask: Ask, catalogue: Catalogue, k: int, scope: Scope) -> Weighted:
        """The best matches."""
        if not ask.tokens:
            return Weighted()
        scores = catalogue.lexical.scores(ask.tokens, len(catalogue))
        rows = near_top(np.where(scope.allowed, scores, np.float32(0)), k, above=0.0)
        return best(rows, scores[rows], k, scope.liked)

    def score(self, ask: Ask, catalogue: Catalogue, rows: Rows) -> Floats:
        """Each row's BM25."""
        return catalogue.lexical.score(ask.tokens, rows)
