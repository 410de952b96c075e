"""Lexical search: items whose titles share words with the query.

Score: BM25F, 0 upwards (a rare word in a short title of a large catalogue: about 10), and more than any BM25F for what
the text identifies. Words that the query is expanded by count with their weights.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> found = candidates_of(Lexical(), asked("search", tokens=("red", "tea")),
...                sample(["green tea", "red tea", "wine"]), 10)
>>> found.rows.tolist()
[1, 0]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Weighted
from models.base.arrays import Floats, Rows
from models.base.vectors import near_top
from models.retrieval.sentences import SEARCHED
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best
from models.retrieval.text_evidence import identified, weights_of, words_sought

#: what an identifier adds to a score
IDENTIFIED: Final = np.float32(20.0)


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
        words = words_sought(ask.text, catalogue.lexical)
        scores = catalogue.lexical.scores(words, len(catalogue), weights_of(words))
        scores[identified(ask, catalogue)] += IDENTIFIED
        rows = near_top(np.where(search.allowed, scores, np.float32(0)), k, above=0.0)
        return best(rows, scores[rows], k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's BM25F."""
        ask, catalogue = search.ask, search.catalogue
        words = words_sought(ask.text, catalogue.lexical)
        scores = catalogue.lexical.score(words, rows, weights_of(words))
        scores[np.isin(rows, identified(ask, catalogue))] += IDENTIFIED
        return scores
