"""Rows with weights: the heaviest of them, equal rows added up, weights looked up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.ask import Weighted
from models.base.arrays import Floats, Mask, Rows
from models.base.vectors import places


def best(rows: Rows, weight: Floats, k: int, first: Mask | None = None) -> Weighted:
    """The k heaviest of ascending rows with a weight above 0, best first.

    Among equals those come first that ``first``, (n,) bool by row, holds, then by row.
    """
    if first is not None:
        ahead = first[rows]
        place = np.concatenate([np.flatnonzero(ahead), np.flatnonzero(~ahead)])
        rows, weight = rows[place], weight[place]
    if len(rows) > 2 * k > 0:
        # nothing below the k-th heaviest comes in, and its equals stay in their order
        some = np.flatnonzero(weight >= np.partition(weight, len(weight) - k)[len(weight) - k])
        rows, weight = rows.take(some), weight.take(some)
    order = np.argsort(-weight, kind="stable")[:k]
    weight = weight.take(order)
    order = order[: np.count_nonzero(weight > 0)]
    return Weighted(rows.take(order), weight[: len(order)])


def summed(rows: Rows, weight: NDArray[np.floating]) -> Weighted:
    """Distinct known rows in ascending order, the weights of equal rows added up."""
    if not len(rows):
        return Weighted()
    ranked = np.sort(rows)
    if ranked[0] < 0:
        known = rows >= 0
        rows, weight, ranked = rows[known], weight[known], ranked[ranked >= 0]
    first = np.empty(len(ranked), np.bool_)
    first[:1] = True
    np.not_equal(ranked[1:], ranked[:-1], out=first[1:])
    unique = ranked[first]
    total = np.bincount(places(unique, rows), weights=weight, minlength=len(unique))
    return Weighted(unique.astype(np.int32, copy=False), total.astype(np.float32))


def look_up(table: Weighted, rows: Rows) -> Floats:
    """Weights of some rows in a table whose rows ascend, (n,); 0 for rows that it does not hold."""
    if not len(table.rows):
        return np.zeros(len(rows), np.float32)
    place = np.searchsorted(table.rows, rows)
    np.minimum(place, len(table.rows) - 1, out=place)
    return np.where(table.rows.take(place) == rows, table.weight.take(place), np.float32(0))


def heaviest(table: Weighted, k: int, allowed: Mask) -> Weighted:
    """The k heaviest allowed rows of a table whose rows ascend."""
    ok = allowed.take(table.rows)
    if ok.all():
        return best(table.rows, table.weight, k)
    return best(table.rows[ok], table.weight[ok], k)
