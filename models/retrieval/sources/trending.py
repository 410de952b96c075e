"""Trending: what is popular now, at three half-lives; before anything happened, what is new.

Score: 0.5, 0.3 and 0.2 times an item's popularity at half-lives of 1, 7 and 30 days, each as a share of the
top item's, in [0, 1]. When fewer allowed items trend than the answer has places, the newest items follow with
0.01 x 2^(-age / 30 days), so that an empty history still answers; ``score`` gives those 0.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> catalogue = sample(["old", "new"], time=[0, 1_000])
>>> candidates_of(Trending(), asked("home", now=1_000), catalogue, 10).rows.tolist()
[1, 0]
>>> day = Weighted(np.array([0], np.int32), np.array([9], np.float32))
>>> found = candidates_of(Trending(), asked("home", now=1_000, trends=(day,)), catalogue, 10)
>>> found.rows.tolist(), [round(float(w), 3) for w in found.weight]
([0, 1], [0.5, 0.01])
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.vectors import near_top
from models.retrieval.sentences import POPULAR
from models.retrieval.sources.base import Search, TableSource
from models.retrieval.tables import summed
from streamrank_client.vocabulary import DAY_MS

SHARES: Final = (0.5, 0.3, 0.2)
NEWEST: Final = 0.01
MONTH_MS: Final = 30 * DAY_MS


class Trending(TableSource):
    """Popular items, then new ones."""

    name = "trending"
    meaning = "popular now"
    surfaces = ("home", "cart")
    weight = 0.6
    sentences = (POPULAR,)

    def table(self, ask: Ask) -> Weighted:
        """Each row's blended popularity."""
        parts = [
            share * np.maximum(trend.weight.astype(np.float64), 0) / max(float(trend.weight.max(initial=0)), 1e-30)
            for share, trend in zip(SHARES, ask.crowd.trends, strict=False)
        ]
        if not parts:
            return Weighted()
        return summed(np.concatenate([trend.rows for trend in ask.crowd.trends[: len(parts)]]), np.concatenate(parts))

    def candidates(self, search: Search, k: int) -> Weighted:
        """The most popular items, filled up with the newest ones when they are too few for the answer."""
        popular = super().candidates(search, k)
        if len(popular.rows) >= min(search.ask.query.limit, k):
            return popular
        new = _newest(search, k)
        keep = np.flatnonzero(~np.isin(new.rows, popular.rows))[: k - len(popular.rows)]
        # A popular item may weigh less than a new one: the two blocks keep their order, and so do the
        # weights.
        floor = popular.weight[-1] if len(popular.rows) else np.float32(NEWEST)
        weight = np.minimum(new.weight[keep], floor)
        return Weighted(np.concatenate([popular.rows, new.rows[keep]]), np.concatenate([popular.weight, weight]))


def _newest(search: Search, k: int) -> Weighted:
    first_time = search.catalogue.first_time
    times = np.where(search.allowed, first_time, -1)
    rows = near_top(times, k, above=-1)
    rows = rows[np.argsort(-times[rows], kind="stable")[:k]]
    age = np.maximum(search.ask.query.now - first_time[rows], 0) / MONTH_MS
    weight = np.maximum(NEWEST * np.exp2(-age), 1e-12).astype(np.float32)
    return Weighted(rows, weight)
