"""What a source is: a retrieval method that says all about itself in one file.

A source of the shop's own is a class like those beside this file, named by an installed package in the entry point
group ``streamrank.sources`` (docs/howto/own-source.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Mask, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sentences import Sentence
from models.retrieval.tables import heaviest, look_up
from models.shop.rules import mask
from models.tower.column import TowerColumn
from streamrank_client.vocabulary import Surface


@dataclass(frozen=True, slots=True)
class Search:
    """One ask's search: what is asked, where to look, and what its sources have worked out on the way.

    ``tower``: None where there is no item tower. ``allowed`` (n,): the rows that may be shown; ``liked`` (n,): rows to
    take first among equals. ``dense``: by source, for each of its directions the products with every row's compact
    vector, (n,) each, right to 1e-5. ``tables``: by source, its table, once it was made.
    """

    ask: Ask
    catalogue: Catalogue
    tower: TowerColumn | None
    allowed: Mask
    liked: Mask
    dense: dict[str, tuple[Floats, ...]] = field(default_factory=dict)
    tables: dict[str, Weighted] = field(default_factory=dict)


class Source(ABC):
    """One retrieval method. It holds no state: everything is in the search.

    ``name``: its column, its group in explanations and its word in ``STREAMRANK_SOURCES``; ``meaning``: what its score
    says, in a line; ``surfaces``: where it gives candidates, elsewhere it only scores them; ``weight``: how much its
    word counts when the lists of a feed (home, cart) are fused; ``sentences``: what may be said of what it gave.
    """

    name: ClassVar[str]
    meaning: ClassVar[str]
    surfaces: ClassVar[tuple[Surface, ...]]
    weight: ClassVar[float] = 1.0
    sentences: ClassVar[tuple[Sentence, ...]] = ()

    def directions(self, search: Search) -> list[Floats]:
        """Unit vectors (64,) whose products with the whole catalogue ``candidates`` needs; often none."""
        return []

    @abstractmethod
    def candidates(self, search: Search, k: int) -> Weighted:
        """At most ``k`` allowed rows, best first, with weights above 0; a fixed order among equals."""

    @abstractmethod
    def score(self, search: Search, rows: Rows) -> Floats:
        """The same score of any known rows, (n,); 0 where the source knows nothing of a row."""


class TableSource(Source):
    """A source whose scores are a table: the rows that an ask names, with their weights; 0 for all others.

    The table is made once a search, as candidates and scores both read it.
    """

    @abstractmethod
    def table(self, ask: Ask) -> Weighted:
        """Distinct rows in ascending order with their scores, as ``models.retrieval.tables.summed`` makes them."""

    def candidates(self, search: Search, k: int) -> Weighted:
        """The heaviest of the table that may be shown."""
        return heaviest(self._made(search), k, search.allowed)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's weight in the table."""
        return look_up(self._made(search), rows)

    def _made(self, search: Search) -> Weighted:
        made = search.tables.get(self.name)
        if made is None:
            made = search.tables[self.name] = self.table(search.ask)
        return made


def candidates_of(source: Source, ask: Ask, catalogue: Catalogue, k: int, tower: TowerColumn | None = None) -> Weighted:
    """One source on its own: its candidates within what the ask's filter and exclusions leave."""
    search = Search(ask, catalogue, tower, mask(ask, catalogue), liked(ask, catalogue))
    search.dense[source.name] = tuple(catalogue.compact @ direction for direction in source.directions(search))
    return source.candidates(search, k)


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
