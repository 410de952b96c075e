"""Query neighbours: what was chosen after known queries that are near this one in meaning.

Score: the sum over those queries of how near each is (0 at the least cosine, 1 for the same meaning) times the
item's share of its choices, in [0, 8).

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> near = Weighted(np.array([2, 0], np.int32), np.array([0.5, 0.3], np.float32))
>>> found = candidates_of(QueryNeighbours(), asked("search", near_choices=near), sample(["a", "b", "c"]), 10)
>>> found.rows.tolist(), [round(float(w), 3) for w in found.weight]
([2, 0], [0.5, 0.3])
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.sentences import CHOSEN_NEAR
from models.retrieval.sources.base import TableSource
from models.retrieval.tables import summed


class QueryNeighbours(TableSource):
    """Items chosen after queries like this one."""

    name = "query_neighbours"
    meaning = "chosen after queries like this one"
    surfaces = ("search",)
    sentences = (CHOSEN_NEAR,)

    def table(self, ask: Ask) -> Weighted:
        """Each item's weight among the neighbours' choices."""
        return summed(ask.crowd.near_choices.rows, np.maximum(ask.crowd.near_choices.weight.astype(np.float64), 0))
