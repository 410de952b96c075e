"""How good a ranking is: NDCG@10, hit@10 and MRR, with intervals by bootstrap over users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles, Floats
from models.evaluate.bootstrap import Interval
from models.features.registry import GROUPS, INDEX
from models.ranking.ranker import Ranker, RankInput
from models.training.rankings import Rankings

METRICS: Final = ("ndcg@10", "hit@10", "mrr")
#: What the ranker is held against: the order by one feature alone.
BASELINES: Final = ("covisits", "after_newest_5", "popularity_7_days")
DRAWS: Final = 1_000


def quality(scores: Floats, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    """NDCG@10, hit@10 and reciprocal rank of one list; items that tie stand at their mean rank.

    >>> quality(np.array([3, 2, 1], np.float32), np.array([False, True, False]))[1:]
    (1.0, 0.5)
    """
    mine = scores[chosen][:, None]
    above, level = (scores > mine).sum(axis=1), (scores == mine).sum(axis=1)
    ranks = np.sort(above + (level + 1) / 2)
    gains = np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)
    ideal = (1 / np.log2(np.arange(2, min(len(ranks), 10) + 2))).sum()
    return float(gains.sum() / ideal), float(ranks[0] <= 10), float(1 / ranks[0])


def of_ranker(ranker: Ranker, rankings: Rankings, lists: Sequence[int]) -> Doubles:
    """Metrics (lists, 3) of the ranker's own order, list by list as it is served."""
    return np.array([_one(ranker, rankings.rank_input(i), rankings.chosen[rankings.rows(i)]) for i in lists])


def of_feature(name: str, rankings: Rankings, lists: Sequence[int]) -> Doubles:
    """Metrics (lists, 3) of the order by one feature."""
    column = rankings.features[:, INDEX[name]]
    return np.array([quality(column[rankings.rows(i)], rankings.chosen[rankings.rows(i)]) for i in lists])


def interval(
    values: Doubles, users: NDArray[np.int64], seed: int = 0, weight: NDArray[np.floating] | None = None
) -> Interval:
    """Mean of ``values`` (n,) by ``weight`` (n,), and its interval by ``DRAWS`` bootstrap draws of whole users (n,)."""
    parts = np.ones(len(values)) if weight is None else weight.astype(np.float64)
    _, group = np.unique(users, return_inverse=True)
    sums, sizes = np.bincount(group, values * parts), np.bincount(group, parts)
    count = len(sums)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS)
    means = (drawn @ sums) / np.maximum(drawn @ sizes, 1e-9)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(np.average(values, weights=parts)), float(low), float(high))


def importance(ranker: Ranker, rankings: Rankings, lists: Sequence[int], seed: int = 0) -> dict[str, float]:
    """How much NDCG@10 falls when a group's features are shuffled among a list's candidates.

    A permutation importance (Breiman 2001); the user's recent items go with ``interest``, by shuffling the
    candidates' vectors.
    """
    rng = np.random.default_rng(seed)
    weight = rankings.weight[list(lists)]
    whole = np.average(of_ranker(ranker, rankings, lists)[:, 0], weights=weight)
    falls = {}
    for group, names in GROUPS.items():
        columns = [INDEX[name] for name in names]
        metrics = []
        for i in lists:
            one = rankings.rank_input(i)
            order = rng.permutation(len(one.features))
            features = one.features.copy()
            features[:, columns] = one.features[order][:, columns]
            vectors = one.candidates[order] if group == "interest" else one.candidates
            mixed = RankInput(features, vectors, one.recent, one.recent_weight)
            metrics.append(_one(ranker, mixed, rankings.chosen[rankings.rows(i)])[0])
        falls[group] = float(whole - np.average(metrics, weights=weight))
    return falls


def _one(ranker: Ranker, one: RankInput, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    return quality(ranker.score([one])[0], chosen)
