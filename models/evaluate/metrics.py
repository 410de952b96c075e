"""Metrics of ranked lists with one right item each, from its rank; and of what the lists show.

``rank``: (T,), from 1; 0 where the list does not hold the item. One right item makes NDCG@k 1 / log2(1 + rank),
and average precision 1 / rank, within k (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR
techniques", 2002).

>>> ranks = np.array([1, 3, 0, 11])
>>> [METRICS[name](ranks).tolist() for name in ("ndcg@10", "hit@10", "map@5")]
[[1.0, 0.5, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.3333333333333333, 0.0, 0.0]]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles, Ints


def _within(rank: Ints, k: int) -> NDArray[np.bool_]:
    return (rank > 0) & (rank <= k)


def ndcg(rank: Ints, k: int = 10) -> Doubles:
    """1 / log2(1 + rank) within k, else 0."""
    gain: Doubles = np.where(_within(rank, k), 1 / np.log2(1 + np.maximum(rank, 1)), 0.0)
    return gain


def hit(rank: Ints, k: int = 10) -> Doubles:
    """1 within k, else 0."""
    return _within(rank, k).astype(np.float64)


def reciprocal(rank: Ints, k: int | None = None) -> Doubles:
    """1 / rank (within k, where given), else 0."""
    inside = rank > 0 if k is None else _within(rank, k)
    value: Doubles = np.where(inside, 1 / np.maximum(rank, 1), 0.0)
    return value


#: each metric of one list, by name, in the order in which they are shown
METRICS: Final[dict[str, Callable[[Ints], Doubles]]] = {
    "ndcg@10": ndcg,
    "hit@10": hit,
    "mrr": reciprocal,
    "map@5": lambda rank: reciprocal(rank, 5),
    "recall@100": lambda rank: hit(rank, 100),
}


def coverage(tops: Ints, items: int) -> float:
    """Share of ``items`` that stand in any list; ``tops`` (T, k), -1 for padding.

    >>> coverage(np.array([[0, 1], [1, -1]]), 4)
    0.5
    """
    return len(np.unique(tops[tops >= 0])) / max(items, 1)


def novelty(tops: Ints, counts: Ints) -> Doubles:
    """Mean surprise of each list's items in bits, (T,): -log2 of the item's share of ``counts``, plus one each.

    Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems" (2010).

    >>> novelty(np.array([[0, 1]]), np.array([1, 1])).tolist()
    [1.0]
    """
    bits = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    shown = tops >= 0
    total: Doubles = np.where(shown, bits[np.maximum(tops, 0)], 0.0).sum(axis=1)
    mean: Doubles = total / np.maximum(shown.sum(axis=1), 1)
    return mean


def diversity(tops: Ints, vectors: NDArray[np.floating]) -> Doubles:
    """One minus the mean cosine of the pairs of each list, (T,); ``vectors`` (items, d) of unit length.

    A list of fewer than two items has diversity 0 (Ziegler et al., "Improving recommendation lists through topic
    diversification", 2005, whose intra-list similarity this turns round).

    >>> diversity(np.array([[0, 1], [0, -1]]), np.eye(2)).tolist()
    [1.0, 0.0]
    """
    shown = tops >= 0
    found = vectors[np.maximum(tops, 0)].astype(np.float64) * shown[:, :, None]
    n = shown.sum(axis=1)
    # the squared length of a sum of unit vectors is n plus twice the sum of the pairs' cosines
    pairs = np.square(found.sum(axis=1)).sum(axis=1) - np.square(found).sum(axis=(1, 2))
    return np.where(n > 1, 1 - pairs / np.maximum(n * (n - 1), 1), 0.0)
