"""Semantic search: items whose title means what the query, or the anchor item's title, means.

Score: the cosine of the 512-d vectors, in [-1, 1]; candidates have one above 0. Two exact stages: the compact
vectors of all items give 400, which the wide vectors rescore. When a vector index is worth its build, and
what it would save, is in docs/decisions/0002-lexical-and-vector-search.md.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> catalogue = sample(["a", "b", "c"])
>>> ask = asked("similar", anchors=np.array([2], np.int32))
>>> [catalogue.ids[row] for row in candidates_of(Semantic(), ask, catalogue, 3).rows]
['b', 'a']
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.base.vectors import SLACK, cosines, near_top
from models.items.catalogue import Catalogue
from models.retrieval.sentences import SEARCHED
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best

RESCORED: Final = 400


class Semantic(Source):
    """Items by the meaning of a text."""

    name = "semantic"
    meaning = "near the query's meaning"
    surfaces = ("search", "similar")
    sentences = (SEARCHED,)

    def directions(self, search: Search) -> list[Floats]:
        """The compact vector of the text or of the anchor, if it has one (an empty title has zeros)."""
        ask, catalogue = search.ask, search.catalogue
        row = anchor(ask, catalogue)
        compact = catalogue.compact[row] if row >= 0 else ask.text.compact
        return [] if compact is None or not compact.any() else [compact]

    def candidates(self, search: Search, k: int) -> Weighted:
        """The nearest of the 400 that the compact vectors find."""
        catalogue = search.catalogue
        if not search.dense[self.name]:
            return Weighted()
        few = max(RESCORED, k)
        cosine = np.where(search.allowed, search.dense[self.name][0], np.float32(-2))
        rows = near_top(cosine, few, above=-1.5, slack=2 * SLACK)
        narrow = cosines(catalogue.compact, rows, self.directions(search)[0])
        # cosines near -1 count too here, hence the 2: the wide vectors judge
        rows = np.sort(best(rows, narrow + np.float32(2), few, search.liked).rows)
        return best(rows, self.score(search, rows), k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's cosine with the wide vector of the text or of the anchor; 0 without either."""
        ask, catalogue = search.ask, search.catalogue
        row = anchor(ask, catalogue)
        if row >= 0:
            return cosines(catalogue.vectors, rows, catalogue.vectors[row].astype(np.float32))
        if ask.text.vector is None:
            return np.zeros(len(rows), np.float32)
        return cosines(catalogue.vectors, rows, ask.text.vector)


def anchor(ask: Ask, catalogue: Catalogue) -> int:
    """Row of the item that similar ones are wanted of, -1 where the catalogue holds none."""
    return ask.similar_to if ask.similar_to < len(catalogue) else -1
