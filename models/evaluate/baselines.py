"""The baselines over a journal in one pass: tuned on events of the first half, asked at the tested ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles, Ints
from models.evaluate.journal import Journal
from models.evaluate.knn import Choice, Knn
from models.evaluate.lists import Scored, placed
from models.evaluate.popular import PopularityTable
from models.evaluate.results import Results
from models.evaluate.texts import QueryTable, Titles, one_then_other

POPULAR: Final = "popular"
KNN: Final = "knn"
QUERY_TABLE: Final = "query-table"
LEXICAL: Final = "lexical"
CASCADE: Final = "cascade"
BASELINES: Final = (POPULAR, KNN, QUERY_TABLE, LEXICAL, CASCADE)
NOTHING: Final = Scored(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class TextCutters:
    """How texts are compared: ``normalise`` for equal queries, ``tokens`` for words."""

    normalise: Callable[[str], str]
    tokens: Callable[[str], Sequence[str]]


class Baselines:
    """Those of ``names``; `popular` and `knn` choose their settings at ``tune``, places before the tested ones.

    `popular` chooses its half-life, `knn` its table and weights, each by mean NDCG@10. `cascade` is the query
    table, then BM25, then popularity.
    """

    def __init__(self, journal: Journal, task: str, names: Sequence[str], texts: TextCutters) -> None:
        self.journal, self.task, self.names = journal, task, names
        self.half_life = 0
        self.choice: Choice | None = None
        self._popular = PopularityTable(len(journal.items))
        self._knn = Knn(journal) if KNN in names else None
        self._table = QueryTable(journal, texts.normalise) if {QUERY_TABLE, CASCADE} & set(names) else None
        self._titles = Titles(journal, texts.tokens) if {LEXICAL, CASCADE} & set(names) else None
        self._done = 0

    def run(self, tune: Ints, results: Results, progress: Callable[[int, int], None] | None = None) -> None:
        """Choose settings at ``tune``, then answer at the tested events of ``results``."""
        gains: dict[int, float] = defaultdict(float)
        found: dict[Choice, float] = defaultdict(float)
        total = len(tune) + len(results.rows)
        for n, row in enumerate(tune.tolist()):
            self._advance(row)
            self._try(row, gains, found)
            if progress and n % 20 == 0:
                progress(n, total)
        self._choose(gains, found)
        for test, row in enumerate(results.rows.tolist()):
            self._advance(row)
            self._answer(test, row, results)
            if progress and test % 20 == 0:
                progress(len(tune) + test, total)

    def chosen(self) -> dict[str, str]:
        """The settings chosen, in words."""
        out = {POPULAR: f"half-life {self._popular.half_lives[self.half_life]:g} days"}
        return out | ({KNN: str(self.choice)} if self.choice is not None else {})

    def _advance(self, row: int) -> None:
        new = slice(self._done, row)
        self._popular.add(self.journal.item[new], self.journal.time[new])
        for part in (self._knn, self._table, self._titles):
            if part is not None:
                part.advance(row)
        self._done = max(self._done, row)

    def _allowed(self, row: int) -> NDArray[np.bool_]:
        known = self.journal.known(row)
        if self.task == "all":
            return known
        had = np.zeros(len(known), np.bool_)
        had[self.journal.had(row)] = True
        return known & (had if self.task == "repeat" else ~had)

    def _try(self, row: int, gains: dict[int, float], found: dict[Choice, float]) -> None:
        allowed, target = self._allowed(row), int(self.journal.item[row])
        for which in range(len(self._popular.half_lives)):
            gains[which] += _gain(placed(NOTHING, self._popular.weights(which), allowed, target).rank)
        if self._knn is None:
            return
        for choice, (items, scores) in self._knn.all_scores(row):
            found[choice] += _gain(_rank(items, scores, self._knn.counts, allowed, target))

    def _choose(self, gains: dict[int, float], found: dict[Choice, float]) -> None:
        if gains:
            self.half_life = max(gains, key=lambda which: gains[which])
        if self._knn is not None and found:
            self.choice = max(found, key=lambda choice: found[choice])
            self._knn.keep(self.choice.reach)

    def _answer(self, test: int, row: int, results: Results) -> None:
        allowed, target = self._allowed(row), int(self.journal.item[row])
        popular = self._popular.weights(self.half_life)
        for name in self.names:
            rest = None if name in (QUERY_TABLE, LEXICAL) else popular
            found = placed(self._scored(name, row), rest, allowed, target)
            results.put(name, test, found.rank, found.top)

    def _scored(self, name: str, row: int) -> Scored:
        if name == KNN and self._knn is not None and self.choice is not None:
            return Scored(*self._knn.score(self.choice, row))
        if name == QUERY_TABLE and self._table is not None:
            return self._table.score(row)
        if name == LEXICAL and self._titles is not None:
            return self._titles.score(row)
        if name == CASCADE and self._table is not None and self._titles is not None:
            return one_then_other(self._table.score(row), self._titles.score(row))
        return NOTHING


def _rank(items: Ints, scores: Doubles, counts: Doubles, allowed: NDArray[np.bool_], target: int) -> int:
    """The target's rank among the scored items, the commoner first among equals; 0 where it is not scored."""
    at = int(np.searchsorted(items, target))
    if at >= len(items) or items[at] != target:
        return 0
    ahead = (scores > scores[at]) | ((scores == scores[at]) & (counts[items] > counts[target]))
    return 1 + int((ahead & allowed[items]).sum())


def _gain(rank: int) -> float:
    return float(1 / np.log2(1 + rank)) if 0 < rank <= 10 else 0.0
