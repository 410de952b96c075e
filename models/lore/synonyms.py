"""Synonyms learnt from the log: words whose queries lead to the same items.

Two known queries speak for a pair of words when each has several choices, the cosine of their choices is at least
0.7, and they differ in one word of the one and at most three of the other: ``cheap couch`` and ``cheap sofa``,
``mw3`` and ``modern warfare 3``, ``咖啡`` and ``coffee``. A pair needs two such queries. Its weight grows with the
cosines that speak for it, to less than 1, and is small for a word that many queries hold and few speak for. Words
that stand side by side in as many queries as speak for the pair go together and do not mean the same (``modern`` and
``warfare``). A number is nobody's synonym: it may stand in an expansion of a word that ends in it.

What is learnt depends on the known queries alone, not on the order in which they came.
"""

from __future__ import annotations

from functools import lru_cache
from math import fsum
from typing import Final

from models.lore.known_queries import KnownQueries

#: least weight of a query's choices (two clicks), decayed to its newest
SEVERAL: Final = 4.0
#: least cosine of two queries' choices
AGREE: Final = 0.7
#: words that one word may stand for
PHRASE: Final = 3
#: items of a query by which others are found
SHARED: Final = 3
#: least number of pairs of queries that speak for a pair of words
VOTES: Final = 2
#: a pair's weight: MOST x s / (s + HALF + f / RARE), s the sum of the cosines that speak for it, f the number of
#: known queries that hold the word; below LEAST it is none
MOST: Final = 0.7
HALF: Final = 3.0
RARE: Final = 5.0
LEAST: Final = 0.1
#: sums are whole numbers, so that what is taken back leaves nothing
_ONE: Final = 1 << 16
_VOTE: Final = 40


class Synonyms:
    """Pairs of words of a table's queries: call ``learn`` once a row has content, ``forget`` before it goes.

    >>> from models.lore.known_queries import KnownQuery
    >>> import numpy as np
    >>> table, blank = KnownQueries(), np.zeros(64, "<f4").tobytes()
    >>> synonyms = Synonyms(table)
    >>> for key, text in enumerate(("couch", "sofa", "cheap sofa", "cheap couch", "tea"), 1):
    ...     item = 9 if text == "tea" else 7
    ...     synonyms.learn(table.put(KnownQuery(text, key, 0, 6.0, [item], [6.0], blank), text.split()))
    >>> synonyms.of("couch"), synonyms.of("tea")
    ([('sofa', 0.328)], [])
    """

    def __init__(self, table: KnownQueries) -> None:
        self._table = table
        #: rows with several choices, by each of their first items
        self._by_item: dict[int, set[int]] = {}
        #: word -> its synonyms -> the queries that speak for the pair times 2^40, and their cosines in 65,536ths: one
        #: number takes a third of the memory of two
        self._pairs: dict[str, dict[str, int]] = {}

    def __len__(self) -> int:
        """Words that have synonyms."""
        return len(self._pairs)

    def learn(self, row: int) -> None:
        """Take in a row of the table; nothing happens for -1 or a row with few choices."""
        if row < 0 or self._table.weights[row] < SEVERAL:
            return
        self._count(row, 1)
        for item in self._table.items[row][:SHARED]:
            self._by_item.setdefault(item, set()).add(row)

    def forget(self, row: int) -> None:
        """Take back what ``learn`` took of the row, which must not have changed since."""
        if self._table.weights[row] < SEVERAL:
            return
        for item in self._table.items[row][:SHARED]:
            rows = self._by_item[item]
            rows.discard(row)
            if not rows:
                del self._by_item[item]
        self._count(row, -1)

    def of(self, word: str) -> list[tuple[str, float]]:
        """A word's synonyms with their weights, in (0, 1), heaviest first."""
        found = []
        for other, both in self._pairs.get(word, {}).items():
            votes, total = both >> _VOTE, both & ((1 << _VOTE) - 1)
            weight = MOST * total / (total + _ONE * (HALF + self._table.frequency(word) / RARE))
            if votes >= VOTES and weight >= LEAST and self._together(word, other) < votes:
                found.append((other, round(weight, 3)))
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _together(self, one: str, other: str) -> int:
        holding = self._table.holding
        return len(holding.get(one, _NONE) & holding.get(other, _NONE))

    def _count(self, row: int, sign: int) -> None:
        """Add what a row and every other that has its items say, or take it back."""
        near: set[int] = set()
        for item in self._table.items[row][:SHARED]:
            near |= self._by_item.get(item, _NONE)
        near.discard(row)
        table, own = self._table, self._table.tokens[row]
        shares = dict(zip(table.items[row], table.shares[row], strict=True))
        for other in near:
            pairs = _pairs(own, table.tokens[other])
            if pairs:
                # fsum: the same whichever of the two is the first, so that what is added can be taken back
                theirs = zip(table.items[other], table.shares[other], strict=True)
                cosine = fsum(shares.get(item, 0.0) * share for item, share in theirs)
                agreed = round(cosine * _ONE)
                if agreed >= AGREE * _ONE:
                    for one, meant in pairs:
                        self._vote(one, meant, sign * ((1 << _VOTE) + agreed))

    def _vote(self, one: str, meant: str, both: int) -> None:
        own = self._pairs.setdefault(one, {})
        own[meant] = own.get(meant, 0) + both
        if not own[meant]:
            del own[meant]
            if not own:
                del self._pairs[one]


_NONE: Final[frozenset[int]] = frozenset()


def _pairs(one: frozenset[str], other: frozenset[str]) -> list[tuple[str, str]]:
    """(word, what it stands for) for two queries' words, both ways; nothing when they differ in more.

    >>> sorted(_pairs(frozenset({"mw3", "xbox"}), frozenset({"modern", "warfare", "3", "xbox"})))
    [('mw3', '3'), ('mw3', 'modern'), ('mw3', 'warfare')]
    >>> _pairs(frozenset({"forza", "3"}), frozenset({"forza", "4"}))
    []
    """
    only, others = one - other, other - one
    if min(len(only), len(others)) != 1 or max(len(only), len(others)) > PHRASE:
        return []
    found = []
    for left, right in ((only, others), (others, only)):
        if len(left) == 1:
            (word,) = left
            found += [(word, meant) for meant in right if _may_mean(word, meant)]
    return found


@lru_cache(maxsize=1 << 16)
def _kind(word: str) -> tuple[bool, bool]:
    """Whether a word holds no letter, and whether it holds a digit."""
    return not any(letter.isalpha() for letter in word), any(letter.isdigit() for letter in word)


def _may_mean(word: str, meant: str) -> bool:
    (bare, numbered), (meant_bare, meant_numbered) = _kind(word), _kind(meant)
    if bare:
        return False
    # two numbers of models or versions are two products
    return word.endswith(meant) if meant_bare else not (numbered and meant_numbered)
