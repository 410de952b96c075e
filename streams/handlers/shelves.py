"""Shelves: which categories a query is about, and what is popular in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Filter, Recent
from models.ask import Shelves as Shelves
from models.items.catalogue import Catalogue
from state import category_trends, keys
from state.records import CATEGORY_TOP, CATEGORY_TREND, RING
from state.rows import join

#: categories that are read for a query, at most
SHELVES: Final = 6
#: weight of the n-th newest event: n^-1/2
_FALL: Final = (np.arange(1, RING + 1) ** -0.5).tolist()


def shelves_of(filter: Filter | None, recent: Recent, catalogue: Catalogue) -> dict[int, float]:
    """Codes of the categories in question with their shares, which add up to 1: the filter's, else the user's own."""
    if filter is not None and filter.category is not None:
        codes = catalogue.categories.among(filter.category)
        return {code: 1 / min(len(codes), SHELVES) for code in list(codes)[:SHELVES]}
    rows = recent.rows[recent.weight >= 0]
    known = np.flatnonzero(rows >= 0)
    codes_of = catalogue.category.take(rows.take(known)).tolist()
    # at most 32 events: a dict is quicker than numpy's sorting
    shares: dict[int, float] = {}
    for place, code in zip(known.tolist(), codes_of, strict=True):
        if code >= 0:
            shares[code] = shares.get(code, 0.0) + _FALL[place]
    best = sorted(shares, key=lambda code: (-shares[code], code))[:SHELVES]
    total = sum(shares[code] for code in best)
    return {code: shares[code] / total for code in best}


def shelf_keys(codes: Sequence[int], partitions: int, catalogue: Catalogue) -> list[bytes]:
    """Every partition's row of each category."""
    hashes = catalogue.categories.keys[np.array(codes, np.intp)].tolist()
    return [name for category in hashes for name in _names(category, partitions)]


@lru_cache(maxsize=1 << 14)
def _names(category: int, partitions: int) -> tuple[bytes, ...]:
    return tuple(keys.category_trend(p, category) for p in range(partitions))


def filled_shelves(
    shares: Mapping[int, float], values: Mapping[bytes, bytes | None], now: int, partitions: int, catalogue: Catalogue
) -> Shelves:
    """What is popular in the categories of ``shares`` at ``now``; ``values``: what was read, by key."""
    names = shelf_keys(list(shares), partitions, catalogue)
    found = [(n // partitions, value) for n, name in enumerate(names) if (value := values[name]) is not None]
    shelf = category_trends.decayed(join([value for _, value in found], CATEGORY_TREND), now / 1000)
    used = np.flatnonzero(shelf.item)
    rows = catalogue.rows(shelf.item.ravel().take(used))
    known = np.flatnonzero(rows >= 0)
    used = used.take(known)
    anchor: NDArray[np.int32] = np.array([n for n, _ in found], np.int32).take(used // CATEGORY_TOP)
    mass = np.array(list(shares.values()), np.float32)
    return Shelves(anchor, rows.take(known), shelf.weight.ravel().take(used), mass)
