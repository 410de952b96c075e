"""The base of a search's score: what the text says of each item by itself, before anything was learnt of it.

A fixed sum (docs/decisions/0030): BM25F as a share of the best, twice the cosine between the list's smallest and
largest, and the share of the text's words that the item holds. What the rankers learnt comes on
top. In units of the list's spread it weighs more than they do: a best seller that shares a word with the text does not
pass what fits it better.

A ranker that was trained on a log without searches has not learnt what choices after a text are worth. Then they are
part of the base too, those after the text itself and those after known queries like it, by weights that were chosen on
Best Buy's log (docs/decisions/0037).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Floats
from models.features.registry import INDEX
from models.ranking.adjustments.base import MEANING, STRENGTH, Adjustment, ScoredList, between_extremes, in_spreads
from models.retrieval.sentences import SEARCHED

#: What was chosen after the text, or after queries like it, counts so much where the ranker has not learnt to judge it.
CHOICES: Final = 4.0


class TextMatch(Adjustment):
    """A search prefers what its text says."""

    name = "text_match"
    sentences = (SEARCHED,)

    def added(self, to: ScoredList) -> Floats | None:
        """By words, meaning and choices, for the sources in use."""
        if to.text is None:
            return None
        parts = np.zeros(len(to.score), np.float64)
        if "lexical" in to.sources:
            lexical = to.features[:, INDEX["lexical"]]
            parts += lexical / max(float(lexical.max()), 1e-9)
            parts += to.text.share
        if "semantic" in to.sources:
            parts += MEANING * between_extremes(to.features[:, INDEX["semantic"]])
        for source in ("query_clicks", "query_neighbours"):
            if source in to.sources and not to.ranker.knows(source):
                chosen = to.features[:, INDEX[source]]
                parts += CHOICES * chosen / max(float(chosen.max()), 1.0)
        return in_spreads(STRENGTH * parts, to.score)
