"""Where the right item stands in a baseline's list, and the list's first items, without sorting all of it.

>>> placed(Scored(np.array([1, 2]), np.array([5.0, 7.0])), np.array([9.0, 0, 0, 3.0]), np.ones(4, np.bool_), 3)
Placed(rank=4, top=array([2, 1, 0, 3]))
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.base.arrays import Doubles, Ints, Mask
from models.evaluate.results import TOP


class Scored(NamedTuple):
    """Distinct items, (m,), with a score each."""

    items: Ints
    scores: Doubles


#: no item scored
NOTHING: Final = Scored(np.zeros(0, np.int64), np.zeros(0))


class Placed(NamedTuple):
    """The right item's rank, from 1, 0 where it is not in the list; and the list's first items."""

    rank: int
    top: Ints


def placed(scored: Scored, rest: Doubles | None, allowed: Mask, target: int) -> Placed:
    """The list of the allowed items: those scored above 0, best first, then the others by ``rest`` (items,).

    Equal scores are ordered by ``rest``, then by number. Without ``rest`` unscored items are not in the list.
    """
    good = allowed[scored.items] & (scored.scores > 0)
    items, scores = scored.items[good], scored.scores[good]
    more = np.zeros(len(items)) if rest is None else rest[items]
    order = np.lexsort((items, -more, -scores))
    first = items[order]
    if rest is None or (len(first) >= TOP and (first == target).any()):
        return Placed(_place(first, target), first[:TOP])
    left = allowed.copy()
    left[items] = False
    others = np.flatnonzero(left)
    value = rest[others]
    best = others[np.argpartition(-value, TOP)[:TOP]] if len(others) > TOP else others
    bound = rest[best].min(initial=np.inf)
    best = others[value >= bound]
    best = best[np.lexsort((best, -rest[best]))][:TOP]
    return Placed(_rank(first, others, value, target), np.concatenate([first, best])[:TOP])


def _rank(first: Ints, others: Ints, value: Doubles, target: int) -> int:
    found = _place(first, target)
    at = np.searchsorted(others, target)
    if found or at >= len(others) or others[at] != target:
        return found
    ahead = (value > value[at]) | ((value == value[at]) & (others < target))
    return len(first) + int(ahead.sum()) + 1


def _place(items: Ints, target: int) -> int:
    found = np.flatnonzero(items == target)
    return int(found[0]) + 1 if len(found) else 0
