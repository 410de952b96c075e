"""The baselines over a journal in one pass: tuned on events of the first half, asked at the tested ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final

import numpy as np

from models.base.arrays import Doubles, Ints, Mask
from models.base.plugins import installed_types
from models.evaluate.baseline import Baseline, TextCutters
from models.evaluate.content import Content
from models.evaluate.journal import Journal
from models.evaluate.knn import Knn
from models.evaluate.lists import NOTHING, Scored, placed
from models.evaluate.popular import PopularityTable
from models.evaluate.results import Results
from models.evaluate.texts import Cascade, SameQuery, TitleWords


class PopularItems(Baseline):
    """Popularity that fades, at the best half-life; what other baselines do not score follows by it."""

    name = "popular"

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """Nothing counted yet."""
        self._journal = journal
        self._table = PopularityTable(len(journal.items))
        self._which = 0
        self._done = 0

    @property
    def weights(self) -> Doubles:
        """The counts at the half-life chosen, (items,)."""
        return self._table.weights(self._which)

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        new = slice(self._done, row)
        self._table.add(self._journal.item[new], self._journal.time[new])
        self._done = max(self._done, row)

    def score(self, row: int) -> Scored:
        """Nothing: all follow by popularity."""
        return NOTHING

    def trials(self, row: int, allowed: Mask, target: int) -> Iterator[tuple[Hashable, int]]:
        """Every half-life."""
        for which in range(len(self._table.half_lives)):
            yield which, placed(NOTHING, self._table.weights(which), allowed, target).rank

    def choose(self, setting: Hashable) -> None:
        """Use one half-life."""
        assert isinstance(setting, int)
        self._which = setting

    def chosen(self) -> str:
        """The half-life."""
        return f"half-life {self._table.half_lives[self._which]:g} days"


_ALL: Final[tuple[type[Baseline], ...]] = (
    PopularItems,
    Knn,
    Content,
    SameQuery,
    TitleWords,
    Cascade,
    *installed_types("streamrank.baselines", Baseline),  # type: ignore[type-abstract]
)
#: Every baseline by name: those shipped, then those that installed packages add.
BASELINES: Final = {kind.name: kind for kind in _ALL}


class Baselines:
    """Those of ``names``; each that has settings chooses them at ``tune``, places before the tested ones, by mean
    NDCG@10.
    """

    def __init__(self, journal: Journal, task: str, names: Sequence[str], texts: TextCutters) -> None:
        self._journal, self._task = journal, task
        self._popular = PopularItems(journal, texts)
        self._named = {
            name: self._popular if name == PopularItems.name else BASELINES[name](journal, texts) for name in names
        }
        # popularity fills up the others' lists, named or not
        self._all: dict[str, Baseline] = {PopularItems.name: self._popular, **self._named}

    def run(self, tune: Ints, results: Results, progress: Callable[[int, int], None] | None = None) -> None:
        """Choose settings at ``tune``, then answer at the tested events of ``results``."""
        gains: dict[str, dict[Hashable, float]] = {name: defaultdict(float) for name in self._all}
        total = len(tune) + len(results.rows)
        for n, row in enumerate(tune.tolist()):
            self._advance(row)
            allowed, target = self._allowed(row), int(self._journal.item[row])
            for name, baseline in self._all.items():
                for setting, rank in baseline.trials(row, allowed, target):
                    gains[name][setting] += _gain(rank)
            if progress and n % 20 == 0:
                progress(n, total)
        for name, by_setting in gains.items():
            if by_setting:
                self._all[name].choose(max(by_setting, key=by_setting.__getitem__))
        for test, row in enumerate(results.rows.tolist()):
            self._advance(row)
            self._answer(test, row, results)
            if progress and test % 20 == 0:
                progress(len(tune) + test, total)

    def chosen(self) -> dict[str, str]:
        """The settings chosen, in words, by baseline."""
        words = {name: baseline.chosen() for name, baseline in self._all.items()}
        return {name: said for name, said in words.items() if said is not None}

    def _advance(self, row: int) -> None:
        for baseline in self._all.values():
            baseline.advance(row)

    def _allowed(self, row: int) -> Mask:
        known = self._journal.known(row)
        if self._task == "all":
            return known
        had = np.zeros(len(known), np.bool_)
        had[self._journal.had(row)] = True
        return known & (had if self._task == "repeat" else ~had)

    def _answer(self, test: int, row: int, results: Results) -> None:
        allowed, target = self._allowed(row), int(self._journal.item[row])
        popular = self._popular.weights
        for name, baseline in self._named.items():
            rest = popular if baseline.filled else None
            answer = placed(baseline.score(row), rest, allowed, target)
            results.put(name, test, answer.rank, answer.top)


def _gain(rank: int) -> float:
    """NDCG@10 of a list whose one right item has this rank."""
    return float(1 / np.log2(1 + rank)) if 0 < rank <= 10 else 0.0
