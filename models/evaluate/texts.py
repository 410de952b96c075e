"""Baselines for searches: what was chosen after the same text, BM25 over titles, and one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.evaluate.baseline import Baseline, TextCutters
from models.evaluate.journal import NEVER, Journal
from models.evaluate.lists import Scored
from models.items.bm25 import Bm25


class QueryTable:
    """How often each item was chosen after each text.

    >>> journal = Journal.of(user=[0, 1], item=[1, 0], time=[0, 1], text=[0, 0])
    >>> table = QueryTable(journal, str.lower); table.advance(1); table.score(1).items.tolist()
    [1]
    """

    def __init__(self, journal: Journal, normalise: Callable[[str], str]) -> None:
        numbers: dict[str, int] = {}
        same = [numbers.setdefault(normalise(text), len(numbers)) for text in journal.texts]
        self._journal = journal
        self._text = np.where(journal.text >= 0, np.array([*same, -1])[journal.text], -1)
        self._counts: dict[int, dict[int, float]] = {}
        self._done = 0

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        new = slice(self._done, row)
        for text, item in zip(self._text[new].tolist(), self._journal.item[new].tolist(), strict=True):
            if text >= 0:
                own = self._counts.setdefault(text, {})
                own[item] = own.get(item, 0.0) + 1.0
        self._done = max(self._done, row)

    def score(self, row: int) -> Scored:
        """The items chosen after event ``row``'s text, with their counts."""
        own = self._counts.get(int(self._text[row]), {})
        return Scored(np.array(list(own), np.int64), np.array(list(own.values()), np.float64))


class Titles:
    """BM25 over the titles of the items that are there."""

    def __init__(self, journal: Journal, tokens: Callable[[str], Sequence[str]]) -> None:
        self._journal, self._tokens = journal, tokens
        self._index = Bm25()
        there = np.flatnonzero(journal.arrived < NEVER)
        self._coming = there[np.argsort(journal.arrived[there], kind="stable")]
        self._done = 0

    def advance(self, row: int) -> None:
        """Take in the items that arrived before event ``row``."""
        journal, line = self._journal, self._journal.line[row]
        while self._done < len(self._coming) and journal.arrived[self._coming[self._done]] < line:
            item = int(self._coming[self._done])
            self._index.put(item, self._tokens(journal.titles[item]))
            self._done += 1

    def score(self, row: int) -> Scored:
        """The items that share words with event ``row``'s text."""
        text = self._journal.text[row]
        if text < 0:
            return Scored(np.zeros(0, np.int64), np.zeros(0))
        scores = self._index.scores(self._tokens(self._journal.texts[text]), len(self._journal.items))
        items = np.flatnonzero(scores > 0)
        return Scored(items, scores[items].astype(np.float64))


def one_then_other(first: Scored, second: Scored) -> Scored:
    """The items of ``first`` before those that only ``second`` has, each in its own order.

    >>> one = Scored(np.array([3]), np.array([1.0]))
    >>> both = one_then_other(one, Scored(np.array([3, 4]), np.array([9.0, 8.0])))
    >>> both.items.tolist(), bool(both.scores[0] > both.scores[1])
    ([3, 4], True)
    """
    new = ~np.isin(second.items, first.items)
    above = second.scores.max(initial=0.0) + first.scores
    return Scored(np.concatenate([first.items, second.items[new]]), np.concatenate([above, second.scores[new]]))


class SameQuery(Baseline):
    """What was chosen most often after the same text."""

    name = "query-table"
    searches = True
    filled = False

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """An empty table."""
        self._table = QueryTable(journal, texts.normalise)

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        self._table.advance(row)

    def score(self, row: int) -> Scored:
        """The items chosen after event ``row``'s text."""
        return self._table.score(row)


class TitleWords(Baseline):
    """BM25 over the items' titles."""

    name = "lexical"
    searches = True
    filled = False

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """An empty index."""
        self._titles = Titles(journal, texts.tokens)

    def advance(self, row: int) -> None:
        """Take in the items that arrived before event ``row``."""
        self._titles.advance(row)

    def score(self, row: int) -> Scored:
        """The items that share words with event ``row``'s text."""
        return self._titles.score(row)


class Cascade(Baseline):
    """What was chosen after the same text, then BM25, then popularity."""

    name = "cascade"
    searches = True

    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """Both empty."""
        self._table, self._titles = QueryTable(journal, texts.normalise), Titles(journal, texts.tokens)

    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""
        self._table.advance(row)
        self._titles.advance(row)

    def score(self, row: int) -> Scored:
        """One after the other."""
        return one_then_other(self._table.score(row), self._titles.score(row))
