"""The kNN baseline: streamed tables of what was used together, or after, and every way to weigh them.

Score of item b for a user with anchors j, newest first at place 0:

    sum over j of  (1 + place_j)^-r  C_jb / n_j^p,  divided by n_b^q

C_jb counts how often b was used within the table's reach of j, n counts events (item-based neighbours, Sarwar et
al., 2001; session kNN, Ludewig and Jannach, 2018). Items without a neighbour follow by popularity.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from models.base.arrays import Doubles, Ints, Mask
from models.evaluate.baseline import Baseline, TextCutters
from models.evaluate.journal import Journal
from models.evaluate.lists import NOTHING, Scored
from models.evaluate.pairs import PairTable

#: p of the anchors' counts and q of the items', as pairs
POWERS: Final = ((0.0, 0.0), (0.0, 0.5), (0.5, 0.25), (0.5, 0.5), (0.5, 0.75), (1.0, 0.5))
RECENCIES: Final = (0.0, 0.5, 1.0)
#: events of a user that a basket's table looks back at, at most
BASKET: Final = 50


@dataclass(frozen=True)
class Reach:
    """Which pairs a table counts: an event with the user's ``back`` events before it; both ways, or only from the
    earlier to the later; within a basket alone, or not."""

    name: str
    back: int
    both_ways: bool = False
    basket: bool = False


REACHES: Final = (
    Reach("after the last 1", 1),
    Reach("after the last 2", 2),
    Reach("after the last 5", 5),
    Reach("with the last 20", 20, both_ways=True),
    Reach("with the last 50", 50, both_ways=True),
    Reach("in the basket", BASKET, both_ways=True, basket=True),
)


class Choice(NamedTuple):
    """One kNN: a reach, the powers of the anchors' and the items' counts, the power of the anchors' places."""

    reach: Reach
    powers: tuple[float, float]
    recency: float

    def __str__(self) -> str:
        return f"{self.reach.name}, p = {self.powers[0]:g}, q = {self.powers[1]:g}, r = {self.recency:g}"


class NeighbourTable(NamedTuple):
    """Items that a table knows beside the anchors, (m,) ascending, and their scores."""

    items: Ints
    scores: Doubles


class NeighbourTables:
    """The tables over one journal, fed in order.

    >>> journal = Journal.of(user=[0, 0, 1, 1], item=[0, 1, 0, 2], time=[0, 1, 2, 3])
    >>> knn = NeighbourTables(journal, REACHES[:1]); knn.advance(3)
    >>> knn.score(Choice(REACHES[0], (0.5, 0.5), 0.0), 3)
    NeighbourTable(items=array([1]), scores=array([0.70710678]))
    """

    def __init__(self, journal: Journal, reaches: tuple[Reach, ...] = REACHES) -> None:
        self.journal = journal
        self.counts = np.zeros(len(journal.items))
        self._tables = {reach: PairTable(len(journal.items)) for reach in reaches}
        self._done = 0

    def keep(self, reach: Reach) -> None:
        """Drop all tables but one."""
        self._tables = {reach: self._tables[reach]}

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        for start in range(self._done, row, 4_096):
            self._learn(np.arange(start, min(start + 4_096, row)))
        self._done = max(self._done, row)

    def score(self, choice: Choice, row: int) -> NeighbourTable:
        """Scores for the user of event ``row``, as one kNN has them."""
        (found,) = self._scores(row, [choice])
        return found

    def all_scores(self, row: int) -> Iterator[tuple[Choice, NeighbourTable]]:
        """Scores for the user of event ``row``, of every kNN."""
        for reach in self._tables:
            choices = [Choice(reach, powers, recency) for powers, recency in product(POWERS, RECENCIES)]
            yield from zip(choices, self._scores(row, choices), strict=True)

    def _scores(self, row: int, choices: Sequence[Choice]) -> Iterator[NeighbourTable]:
        """Scores of several kNNs on one table."""
        reach = choices[0].reach
        anchors = self.anchors(reach, row)
        which, item, count = self._tables[reach].rows(anchors)
        items, place = np.unique(item, return_inverse=True)
        n_anchor, n_item = np.maximum(self.counts[anchors], 1), np.maximum(self.counts[items], 1)
        for _, (p, q), recency in choices:
            weight = (1.0 + np.arange(len(anchors))) ** -recency / n_anchor**p
            scores = np.bincount(place, weights=weight[which] * count, minlength=len(items)) / n_item**q
            yield NeighbourTable(items, scores)

    def anchors(self, reach: Reach, row: int) -> Ints:
        """The user's last distinct items, newest first; for a basket's table those of the basket, or the last one."""
        before = self.journal.before(row, reach.back)
        if reach.basket and len(before):
            own = self.journal.together(np.full(len(before), row), before)
            last = self.journal.together(np.full(len(before), before[0]), before)
            before = before[own if own.any() else last]
        items = self.journal.item[before]
        _, first = np.unique(items, return_index=True)
        return items[np.sort(first)]

    def _learn(self, rows: Ints) -> None:
        journal = self.journal
        self.counts += np.bincount(journal.item[rows], minlength=len(self.counts))
        most = max(reach.back for reach in self._tables)
        place = journal.place[rows][:, None] - np.arange(1, most + 1)
        there = place >= journal.begin[rows][:, None]
        earlier = journal.by_user[np.maximum(place, 0)]
        later = np.broadcast_to(rows[:, None], earlier.shape)
        there &= journal.item[earlier] != journal.item[later]
        for reach, table in self._tables.items():
            some = there[:, : reach.back]
            old, new = earlier[:, : reach.back][some], later[:, : reach.back][some]
            if reach.basket:
                same = journal.together(new, old)
                old, new = old[same], new[same]
            table.add(journal.item[old], journal.item[new])
            if reach.both_ways:
                table.add(journal.item[new], journal.item[old])


class Knn(Baseline):
    """The best of all the tables and weights, by those events of the first half on which it is tuned."""

    name = "knn"

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """All tables are fed until one is chosen."""
        self._tables = NeighbourTables(journal)
        self._choice: Choice | None = None

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        self._tables.advance(row)

    def score(self, row: int) -> Scored:
        """By the table chosen; nothing before there is one."""
        if self._choice is None:
            return NOTHING
        return Scored(*self._tables.score(self._choice, row))

    def trials(self, row: int, allowed: Mask, target: int) -> Iterator[tuple[Hashable, int]]:
        """Every table with every weight."""
        for choice, (items, scores) in self._tables.all_scores(row):
            yield choice, _rank(items, scores, self._tables.counts, allowed, target)

    def choose(self, setting: Hashable) -> None:
        """Keep one table."""
        assert isinstance(setting, Choice)
        self._choice = setting
        self._tables.keep(setting.reach)

    def chosen(self) -> str | None:
        """The table and its weights."""
        return None if self._choice is None else str(self._choice)


def _rank(items: Ints, scores: Doubles, counts: Doubles, allowed: Mask, target: int) -> int:
    """The target's rank among the scored items, the commoner first among equals; 0 where it is not scored."""
    at = int(np.searchsorted(items, target))
    if at >= len(items) or items[at] != target:
        return 0
    ahead = (scores > scores[at]) | ((scores == scores[at]) & (counts[items] > counts[target]))
    return 1 + int((ahead & allowed[items]).sum())
