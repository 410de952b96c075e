"""Lexical search: items whose titles share words with the query.

Score: BM25, 0 upwards (a rare word in a short title of a large catalogue: about 10). Words that the query is
expanded by count with their weights.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> found = candidates_of(Lexical(), asked("search", tokens=("red", "tea")),
...                sample(["green tea", "red tea", "wine"]), 10)
>>> found.rows.tolist()
[1, 0]
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.base.vectors import near_top
from models.retrieval.sentences import SEARCHED
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best


class Lexical(Source):
    """Items by words."""

    name = "lexical"
    meaning = "shares the query's words"
    surfaces = ("search",)
    sentences = (SEARCHED,)

    def candidates(self, search: Search, k: int) -> Weighted:
        """The best matches."""
        ask, catalogue = search.ask, search.catalogue
        if not ask.text.tokens:
            return Weighted()
        scores = catalogue.lexical.scores(_terms(ask), len(catalogue), _weights(ask))
        rows = near_top(np.where(search.allowed, scores, np.float32(0)), k, above=0.0)
        return best(rows, scores[rows], k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's BM25."""
        ask, catalogue = search.ask, search.catalogue
        return catalogue.lexical.score(_terms(ask), rows, _weights(ask))


def _terms(ask: Ask) -> tuple[str, ...]:
    """The query's words, then those that it is expanded by."""
    return (*ask.text.tokens, *_weights(ask))


def _weights(ask: Ask) -> dict[str, float]:
    """The weights of expanding words; a corrected word is one of the query's own, and counts in full."""
    return {one.term: one.weight for one in ask.text.expansion if one.term not in ask.text.tokens}
