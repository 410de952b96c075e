"""Diversity: maximal marginal relevance, and shares of a page.

Maximal marginal relevance (Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998) takes,
place by place, the item with the largest

    (1 - strength) * relevance - strength * (largest cosine with an item taken before)

with the relevance scaled to 0 … 1 within the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats

#: How many of the best are put into a new order.
POOL: Final = 50


def marginal_relevance(scores: Floats, vectors: Floats, strength: float) -> NDArray[np.intp]:
    """The order in which to show items: places, the best first; ties go to the earlier place.

    ``scores``: (n,), best first; ``vectors``: (n, d), unit length or zeros; ``strength``: 0 for the given order to 1
    for variety alone. The first k places do not depend on how many are read.

    >>> marginal_relevance(np.float32([3, 2.9, 2]), np.float32([[1, 0], [1, 0], [0, 1]]), 0.5).tolist()
    [0, 2, 1]
    """
    n = len(scores)
    if n < 3 or strength == 0:
        return np.arange(n)
    span = max(float(scores.max() - scores.min()), 1e-9)
    relevance = (1 - strength) * (scores - scores.min()).astype(np.float64) / span
    likeness = strength * (vectors @ vectors.T).astype(np.float64)
    worst = np.full(n, -np.inf)
    gain = relevance.copy()
    order = np.empty(n, np.intp)
    for place in range(n):
        best = order[place] = gain.argmax()
        relevance[best] = -np.inf
        np.maximum(worst, likeness[best], out=worst)
        np.subtract(relevance, worst, out=gain)
    return order


class PageShare(NamedTuple):
    """At most ``most`` items of a kind on a page; ``kinds``: each place's code, below 0 for none."""

    kinds: Sequence[int]
    most: int


class Paged(NamedTuple):
    """``order``: all places; those from ``extras`` on are over their share of every page that was filled."""

    order: list[int]
    extras: int


def paged(
    order: Sequence[int], shares: Sequence[PageShare], fixed: Sequence[tuple[int, int]], size: int, until: int
) -> Paged:
    """Fill pages of ``size`` so that none has more than its share; what is too many waits for the next page.

    ``order``: places, best first; ``fixed``: (position, place) of items that stand on a page whatever the shares are,
    and count in them; ``until``: pages that begin at this position or later are not filled, the rest follows in
    order. When all that is left is too many for the page, it follows too: extras stand after all others, they do not
    vanish. The first pages do not depend on ``until``.

    >>> paged([0, 1, 2, 3, 4], [PageShare([7, 7, 7, 8, -1], 1)], [], size=3, until=3).order
    [0, 3, 4, 1, 2]
    """
    rest, out, start = list(order), list[int](), 0
    while rest and start < until:
        here = [place for position, place in fixed if start <= position < start + size]
        taken, waiting = _one_page(rest, shares, here, size - len(here))
        out += taken
        if len(taken) < size - len(here):
            return Paged(out + waiting, len(out))
        rest, start = waiting, start + size
    return Paged(out + rest, len(out) + len(rest))


def _one_page(
    rest: Sequence[int], shares: Sequence[PageShare], here: Sequence[int], free: int
) -> tuple[list[int], list[int]]:
    """The first ``free`` places that are within their shares, and the others, both in order."""
    counts = [Counter(share.kinds[place] for place in here) for share in shares]
    taken: list[int] = []
    waiting: list[int] = []
    for n, place in enumerate(rest):
        if len(taken) == free:
            waiting += rest[n:]
            break
        kinds = [(count, share.kinds[place], share.most) for count, share in zip(counts, shares, strict=True)]
        if any(kind >= 0 and count[kind] >= most for count, kind, most in kinds):
            waiting.append(place)
            continue
        for count, kind, _ in kinds:
            count[kind] += 1
        taken.append(place)
    return taken, waiting
