"""Shelves: which categories a query is about, and what is popular in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Relation
from models.catalogue import Catalogue
from state import category_trends, keys
from state.records import CATEGORY_TREND
from state.rows import join

#: categories that are read for a query, at most
SHELVES: Final = 6


def shelves_of(ask: Ask, catalogue: Catalogue) -> dict[int, float]:
    """Codes of the categories in question with their shares, which add up to 1: the filter's, else the user's own."""
    if ask.filter is not None and ask.filter.category is not None:
        codes = dict.fromkeys(code for name in ask.filter.category for code in catalogue.categories.under(name))
        return {code: 1 / min(len(codes), SHELVES) for code in list(codes)[:SHELVES]}
    rows = ask.recent.rows[ask.recent.weight >= 0]
    weight = np.arange(1, len(rows) + 1) ** -0.5
    known = rows >= 0
    code, place = np.unique(catalogue.category[rows[known]], return_inverse=True)
    share = np.bincount(place, weight[known], len(code))
    share[code < 0] = 0
    best = np.argsort(-share, kind="stable")[:SHELVES]
    best = best[share[best] > 0]
    total = float(share[best].sum())
    return {int(code[n]): float(share[n]) / total for n in best}


def shelf_keys(codes: Sequence[int], partitions: int, catalogue: Catalogue) -> list[bytes]:
    """Every partition's row of each category."""
    hashes = catalogue.categories.keys[np.array(codes, np.intp)].tolist()
    return [keys.category_trend(p, category) for category in hashes for p in range(partitions)]


def add_shelves(
    ask: Ask, shares: Mapping[int, float], values: Mapping[bytes, bytes | None], partitions: int, catalogue: Catalogue
) -> None:
    """Put what is popular in the categories of ``shares`` into ``ask``; ``values``: what was read, by key."""
    found = [values[name] for name in shelf_keys(list(shares), partitions, catalogue)]
    shelf = category_trends.decayed(join(found, CATEGORY_TREND), ask.now / 1000)
    used = shelf.item != 0
    rows = catalogue.rows(shelf.item[used])
    anchor: NDArray[np.int32] = (np.nonzero(used)[0] // partitions).astype(np.int32)
    known = rows >= 0
    mass = np.array(list(shares.values()), np.float32)
    ask.shelves = Relation(anchor[known], rows[known], shelf.weight[used][known], mass)
