"""Query clicks: what was chosen after this very query text, decayed.

Score: an item's share of the query's choices, w / (W + 1), in [0, 1). W is the total of the choices read, so
one lonely old click weighs little and a settled query's favourite comes near 1.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> choices = Weighted(np.array([2, 0, -1], np.int32), np.array([5, 3, 1], np.float32))
>>> found = candidates_of(QueryClicks(), asked("search", choices=choices), sample(["a", "b", "c"]), 10)
>>> found.rows.tolist(), [round(float(w), 3) for w in found.weight]
([2, 0], [0.5, 0.3])
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.sentences import CHOSEN
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed


class QueryClicks(TableSource):
    """Items chosen after the same query."""

    name = "query_clicks"
    meaning = "chosen after this query"
    surfaces = ("search",)
    sentences = (CHOSEN,)

    def table(self, ask: Ask) -> Weighted:
        """Each item's share of the choices."""
        weight = np.maximum(ask.crowd.choices.weight.astype(np.float64), 0)
        return summed(ask.crowd.choices.rows, weight / (weight.sum() + 1))
