"""What a source is, and the arithmetic that sources share: top lists, exact cosines, tables by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.items.catalogue import Catalogue
from models.base.arrays import Mask
from models.shop.rules import mask

#: A matrix product over a whole catalogue differs from ``cosines`` by less than half of this.
SLACK: Final = 1e-5


@dataclass(slots=True)
class Scope:
    """Where a source may look.

    ``allowed``: (n,) bool by row; ``liked``: (n,) bool, rows to take first among equals; ``dense``: for each of the
    source's directions its products with every row's compact vector, (n,) each, right to 1e-5.
    """

    allowed: Mask
    liked: Mask
    dense: tuple[Floats, ...] = ()


class Source(Protocol):
    """One retrieval method. It holds no state: everything is in the ask and the catalogue."""

    name: str

    def directions(self, ask: Ask, catalogue: Catalogue) -> list[Floats]:
        """Unit vectors (64,) whose products with the whole catalogue ``candidates`` needs; often none."""

    def candidates(self, ask: Ask, catalogue: Catalogue, k: int, scope: Scope) -> Weighted:
        """At most ``k`` allowed rows, best first, with weights above 0; a fixed order among equals."""

    def score(self, ask: Ask, catalogue: Catalogue, rows: Rows) -> Floats:
        """The same score of any known rows, (n,); 0 where the source knows nothing of a row."""


def search(source: Source, ask: Ask, catalogue: Catalogue, k: int) -> Weighted:
    """One source on its own: ``candidates`` with the scope that the ask's filter and exclusions leave."""
    dense = tuple(catalogue.compact @ direction for direction in source.directions(ask, catalogue))
    return source.candidates(ask, catalogue, k, Scope(mask(ask, catalogue), liked(ask, catalogue), dense))


def near_top(scores: Floats, k: int, above: float = -np.inf, slack: float = 0.0) -> Rows:
    """Every row whose score is above ``above`` and within ``slack`` of the k-th best or better, in row order.

    The k-th best of the maxima of disjoint groups bounds the k-th best of all from below: one pass and a
    short partition (68,000 scores, k = 100: 30 µs; ``np.argpartition``: 80 µs). Never cuts off a row of the
    top k.
    """
    tall = min(max(len(scores) // (8 * max(k, 1)), 1), 64)
    wide = len(scores) // tall
    bound = above
    if k < wide:
        maxima = scores[: tall * wide].reshape(tall, wide).max(axis=0)
        bound = max(float(np.partition(maxima, wide - k)[wide - k]) - slack, above)
    rows = np.flatnonzero(scores >= bound if bound > above else scores > above)
    return rows.astype(np.int32)


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


def liked(ask: Ask, catalogue: Catalogue) -> Mask:
    """Rows that some signal speaks for, (n,) bool: the user's own, their neighbours, the query's, the popular.

    Shops have many items with one title (in the Complete Journey four of an average one, hundreds of some),
    whose vectors and words tie. Row order alone would then decide what the ranker sees.
    """
    recent = ask.user.recent.rows[: len(ask.user.recent.weight)][ask.user.recent.weight > 0]
    trends = (trend.rows for trend in ask.crowd.trends)
    near = ask.crowd.followers.rows, ask.crowd.companions.rows
    rows = np.concatenate([recent, ask.crowd.anchors, ask.crowd.choices.rows, *near, *trends])
    out = np.zeros(len(catalogue), np.bool_)
    out[rows[rows >= 0]] = True
    return out


def cosines(vectors: NDArray[np.floating], rows: Rows, direction: Floats) -> Floats:
    """Products of some rows with a direction, (n,), row by row: equal bytes whatever else is in the batch.

    (A matrix product's last bits depend on its shape.)
    """
    found: Floats = np.einsum("ij,j->i", vectors.take(rows, axis=0).astype(np.float32, copy=False), direction)
    return found


def nearest(vectors: Floats, rows: Rows, directions: Sequence[Floats]) -> Floats:
    """The largest of each row's ``cosines`` with one or more directions, (n,)."""
    some = vectors.take(rows, axis=0)
    found: Floats = np.einsum("ij,j->i", some, directions[0])
    for direction in directions[1:]:
        np.maximum(found, np.einsum("ij,j->i", some, direction), out=found)
    return found


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


def places(rows: Rows, wanted: Rows) -> NDArray[np.int32]:
    """Where each of ``wanted`` stands among distinct ``rows``, (m,); -1 where it does not.

    >>> places(np.array([7, 3], np.int32), np.array([3, 5, 7, 3], np.int32)).tolist()
    [1, -1, 0, 1]
    """
    end = 1 + max(int(rows.max(initial=-1)), int(wanted.max(initial=-1)))
    # a table by row without filling it: only what is looked at below is written before
    table = np.empty(end, np.int32)
    table[wanted] = -1
    table[rows] = np.arange(len(rows), dtype=np.int32)
    return table.take(wanted)


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


class TableSource(ABC):
    """A source whose scores are a table: the rows that an ask names, with their weights; 0 for all others.

    The table is made once an ask, as candidates and scores both read it and sources only read an ask.
    """

    name: str

    @abstractmethod
    def table(self, ask: Ask) -> Weighted:
        """Distinct rows in ascending order with their scores, as ``summed`` makes them."""

    def directions(self, ask: Ask, catalogue: Catalogue) -> list[Floats]:
        """None: nothing dense."""
        return []

    def candidates(self, ask: Ask, catalogue: Catalogue, k: int, scope: Scope) -> Weighted:
        """The heaviest of the table that may be shown."""
        return heaviest(self._made(ask), k, scope.allowed)

    def score(self, ask: Ask, catalogue: Catalogue, rows: Rows) -> Floats:
        """Each row's weight in the table."""
        return look_up(self._made(ask), rows)

    def _made(self, ask: Ask) -> Weighted:
        found = ask.tables.get(self.name)
        if found is None:
            found = ask.tables[self.name] = self.table(ask)
        return found
