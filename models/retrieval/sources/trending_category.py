"""Trending by category: what is popular in the categories that the user's last items, or the query's filter, name.

Score: the category's share of the user's interest (the n-th newest item counts n^-1/2; a filter's categories count
alike) times the item's popularity at a half-life of 30 days. Unit: weight of events, 0 upwards.

>>> from models.ask import Shelves
>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> shelves = Shelves(anchor=np.array([0, 0, 1], np.int32), rows=np.array([1, 2, 0], np.int32),
...                    weight=np.array([4, 2, 12], np.float32), mass=np.array([0.75, 0.25], np.float32))
>>> found = candidates_of(TrendingCategory(), asked("home", shelves=shelves), sample(["a", "b", "c"]), 10)
>>> found.rows.tolist(), found.weight.tolist()
([0, 1, 2], [3.0, 3.0, 1.5])
"""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Weighted
from models.retrieval.sentences import CATEGORY
from models.retrieval.sources.base import Search, TableSource
from models.retrieval.tables import summed


class TrendingCategory(TableSource):
    """Popular items of the categories in question."""

    name = "trending_category"
    meaning = "popular in the user's categories"
    surfaces = ("search", "home", "cart")
    weight = 0.3
    sentences = (CATEGORY,)

    def table(self, ask: Ask) -> Weighted:
        """Each item's popularity by interest."""
        shelves = ask.crowd.shelves
        weight = shelves.mass.astype(np.float64)[shelves.anchor] * shelves.weight
        return summed(shelves.rows, weight)

    def candidates(self, search: Search, k: int) -> Weighted:
        """The most popular items; for a search only with a filter by category: its words say more than habits."""
        query = search.ask.query
        if query.surface == "search" and (query.filter is None or query.filter.category is None):
            return Weighted()
        return super().candidates(search, k)
