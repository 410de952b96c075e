"""What a shopper is typing, completed: by what others searched for and found, by words of the catalogue, by titles.

Texts are compared without case and accents. Nothing is suggested that leads only to what may not be shown; the weight
that a known query needs keeps to itself what one person typed once.

>>> from models.sample import sample
>>> catalogue = sample(["red tea", "red teapot", "green tea"])
>>> complete("Red t", KnownQueries(), catalogue, Words.load(), catalogue.recommendable, 5)
[Completion(text='red tea', kind='word', row=-1), Completion(text='red teapot', kind='word', row=-1)]
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from models.base.arrays import Mask, Rows
from models.items.catalogue import Catalogue
from models.lore.known_queries import LEAST_WEIGHT, KnownQueries
from models.text.stopwords import STOP_WORDS
from models.text.words import Words, bare, normalise

#: words of the catalogue that are looked at for a last word, most frequent first; and titles for a text
WORDS: Final = 24
TITLES: Final = 256

Kind: TypeAlias = Literal["query", "word", "title"]


class Completion(NamedTuple):
    """A text that begins with what was typed; ``row``: of a title's item, -1 for none."""

    text: str
    kind: Kind
    row: int = -1


def complete(
    typed: str, table: KnownQueries, catalogue: Catalogue, words: Words, shown: Mask, count: int
) -> list[Completion]:
    """At most ``count`` completions: known queries, then words, then titles; ``shown``: rows that may be, (n,)."""
    start = bare(normalise(typed))
    if not start:
        return []
    if typed[-1:].isspace():
        start += " "
    typing = _Typing(start, table, catalogue, words, shown)
    distinct: dict[str, Completion] = {}
    for one in typing.completions():
        distinct.setdefault(bare(normalise(one.text)), one)
        if len(distinct) == count:
            break
    return list(distinct.values())


class _Typing:
    """One text as far as it is typed."""

    def __init__(self, start: str, table: KnownQueries, catalogue: Catalogue, words: Words, shown: Mask) -> None:
        self._start = start
        self._table = table
        self._catalogue = catalogue
        self._words = words
        self._shown = shown

    def completions(self) -> Iterator[Completion]:
        """All, best first."""
        yield from self._queries()
        holding: list[Rows] = []
        for text, rows in self._by_words():
            holding.append(rows)
            if text != self._start:
                yield Completion(text, "word")
        yield from self._titles(holding)

    def _queries(self) -> Iterator[Completion]:
        """Known queries of some weight, heaviest first."""
        table = self._table
        rows = [row for row in table.beginnings.starting(self._start) if table.weights[row] >= LEAST_WEIGHT]
        for row in sorted(rows, key=lambda row: (-table.strength[row], table.texts[row])):
            if self._leads_somewhere(row):
                yield Completion(table.texts[row], "query")

    def _leads_somewhere(self, row: int) -> bool:
        """Whether what was chosen after a known query, or what holds its words, may be shown."""
        chosen = self._catalogue.rows(np.array(self._table.items[row], np.uint64))
        return bool(self._shown[chosen[chosen >= 0]].any()) or bool(
            len(self._may_be_shown(self._catalogue.lexical.holding(sorted(self._table.tokens[row]))))
        )

    def _by_words(self) -> Iterator[tuple[str, Rows]]:
        """The text as it is and with its last word completed, each with the rows that hold all of its words; those
        that most items hold first.
        """
        read, lexical = self._words.read(self._start), self._catalogue.lexical
        if not read or not self._start.endswith(read[-1].text):
            yield self._start, self._may_be_shown(lexical.holding([word.text for word in read]))
            return
        last = read[-1].text
        before = [word.text for word in read[:-1] if not word.stop and word.text not in last]
        typed = self._start[: -len(last)]
        found = []
        for word in [last, *(one for one in lexical.completions(last, WORDS) if one not in STOP_WORDS)]:
            rows = self._may_be_shown(lexical.holding([*before, word]))
            if len(rows):
                found.append((-len(rows), typed + word, rows))
        for _, text, rows in sorted(found, key=lambda one: one[:2]):
            yield text, rows

    def _titles(self, holding: list[Rows]) -> Iterator[Completion]:
        """Titles that begin with the text, shortest first."""
        titles = self._catalogue.titles
        rows = dict.fromkeys(row for rows in holding for row in rows[:TITLES].tolist())
        begun = ((len(titles[row]), titles[row], row) for row in islice(rows, TITLES))
        fitting = [one for one in begun if bare(normalise(one[1])).startswith(self._start)]
        for _, title, row in sorted(fitting):
            yield Completion(title, "title", row)

    def _may_be_shown(self, rows: Rows) -> Rows:
        some: Rows = rows[self._shown[rows]]
        return some
