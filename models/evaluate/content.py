"""The content baseline: what is alike to the user's items, weighed by popularity, beside what was used with them.

Score of item b for a user with anchors j, newest first at place 0 and weighed by w_j = (1 + place_j)^-1/2:

    s_b / max s  +  lambda c_b / max c

s_b is the score of a kNN (``models.evaluate.knn``) and c_b = (share of category + share of brand) x near^n x popular_b:
the shares are those of the anchors, by w_j, with b's category path and b's brand; near = exp(-|ln of b's price over the
anchors' geometric mean|), 1/2 where b has no price; popular_b is decayed. Items of which neither is known follow by
popularity. A shop that shows more of the same is the one to beat where sessions are short (Ludewig and Jannach, 2018).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Final, NamedTuple

import numpy as np

from models.base.arrays import Doubles, Ints, Mask
from models.evaluate.baseline import Baseline, TextCutters
from models.evaluate.journal import Journal
from models.evaluate.knn import REACHES, Choice, NeighbourTables, Reach
from models.evaluate.lists import Scored
from models.evaluate.popular import PopularityTable

#: p and q of the kNN, and the power of the anchors' places
POWERS: Final = (0.5, 0.5)
RECENCY: Final = 0.5
#: what content counts beside the kNN, powers of the nearness of prices, half-lives of popularity in days
CONTENT: Final = (0.0, 0.1, 0.3, 1.0, 3.0)
NEARNESS: Final = (0.0, 1.0)
HALF_LIVES: Final = (0.25, 3.0, 30.0)
#: what an item without a price is near to any
UNPRICED: Final = 0.5


class ContentChoice(NamedTuple):
    """One setting: a reach of the kNN and of the anchors, the weight of content, the power of nearness, a half-life by
    its place."""

    reach: Reach
    content: float
    nearness: float
    half_life: int

    def __str__(self) -> str:
        days = HALF_LIVES[self.half_life]
        return f"{self.reach.name}, lambda = {self.content:g}, n = {self.nearness:g}, half-life {days:g} days"


class Content(Baseline):
    """Same category and brand at a near price, with co-occurrence; its weights are chosen on the log.

    >>> journal = Journal.of(user=[0, 1, 1], item=[1, 2, 0], time=[0, 1, 2], category=[6, 5, 5])
    >>> content = Content(journal, TextCutters(str, str.split)); content.advance(2); content.score(2).items.tolist()
    [1, 2]
    """

    name = "content"

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """Nothing learnt yet; all reaches are fed until one is chosen."""
        self._journal = journal
        self._tables = NeighbourTables(journal)
        self._popular = PopularityTable(len(journal.items), HALF_LIVES)
        with np.errstate(divide="ignore"):
            self._log_price: Doubles = np.log(journal.price)
        self._done = 0
        self._choice = ContentChoice(REACHES[0], 1.0, 1.0, HALF_LIVES.index(3.0))

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        new = slice(self._done, row)
        self._tables.advance(row)
        self._popular.add(self._journal.item[new], self._journal.time[new])
        self._done = max(self._done, row)

    def score(self, row: int) -> Scored:
        """By the setting chosen, or a usual one before there is any."""
        choice = self._choice
        kin = self._kin(row, choice.reach, choice.nearness) * self._popular.weights(choice.half_life)
        total = self._used_together(row, choice.reach) + choice.content * _share(kin)
        items = np.flatnonzero(total > 0)
        return Scored(items, total[items])

    def trials(self, row: int, allowed: Mask, target: int) -> Iterator[tuple[Hashable, int]]:
        """Every reach with every weight."""
        popular = [self._popular.weights(place) for place in range(len(HALF_LIVES))]
        for reach in REACHES:
            together = self._used_together(row, reach)
            yield ContentChoice(reach, 0.0, 0.0, 0), _rank(together, allowed, target)
            for nearness in NEARNESS:
                kin = self._kin(row, reach, nearness)
                for place, content in product(range(len(HALF_LIVES)), CONTENT[1:]):
                    total = together + content * _share(kin * popular[place])
                    yield ContentChoice(reach, content, nearness, place), _rank(total, allowed, target)

    def choose(self, setting: Hashable) -> None:
        """Keep one reach."""
        assert isinstance(setting, ContentChoice)
        self._choice = setting
        self._tables.keep(setting.reach)

    def chosen(self) -> str:
        """The reach and the weights."""
        return str(self._choice)

    def _used_together(self, row: int, reach: Reach) -> Doubles:
        """The kNN's scores as shares of the highest, (items,)."""
        found = self._tables.score(Choice(reach, POWERS, RECENCY), row)
        scores = np.zeros(len(self._journal.items))
        scores[found.items] = found.scores
        return _share(scores)

    def _kin(self, row: int, reach: Reach, nearness: float) -> Doubles:
        """How alike each item is to the anchors, (items,): 0 to 2."""
        journal, anchors = self._journal, self._tables.anchors(reach, row)
        weight: Doubles = (1.0 + np.arange(len(anchors), dtype=np.float64)) ** -RECENCY
        weight /= max(float(weight.sum()), 1e-9)
        kin = _shares(journal.category, anchors, weight) + _shares(journal.brand, anchors, weight)
        priced = journal.price[anchors] > 0
        if not nearness or not priced.any():
            return kin
        usual = np.average(self._log_price[anchors[priced]], weights=weight[priced])
        near = np.exp(-nearness * np.abs(self._log_price - usual))
        near[journal.price <= 0] = UNPRICED
        kin *= near
        return kin


def _shares(codes: Ints, anchors: Ints, weight: Doubles) -> Doubles:
    """The anchors' weight at each item's code, (items,); code -1 is none."""
    total = np.zeros(int(codes.max(initial=-1)) + 2)
    np.add.at(total, codes[anchors] + 1, weight)
    total[0] = 0
    shares: Doubles = total[codes + 1]
    return shares


def _share(scores: Doubles) -> Doubles:
    """Scores as shares of the highest."""
    shares: Doubles = scores / max(float(scores.max(initial=0.0)), 1e-30)
    return shares


def _rank(scores: Doubles, allowed: Mask, target: int) -> int:
    """The target's rank among the items scored above 0, from 1; 0 where it is not among them."""
    if scores[target] <= 0:
        return 0
    return 1 + int((allowed & (scores > scores[target])).sum())
