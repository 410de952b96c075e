"""BM25F over items' texts, in memory, updated in place: an upsert or delete is in the very next search.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3.6: a term counts in
each field by the field's weight and length, and is saturated once, over all fields. Its idf is Lucene's, ln(1 + (N - df
+ 1/2) / (df + 1/2)), which is never negative. A word that may be found in several ways (``models.items.sought``) counts
by the best of them, with one idf for all. A term's postings are sorted by row, so the index depends on what it holds
and not on the order in which it came.

>>> index = Bm25()
>>> index.put(0, ["red", "apple"]); index.put(1, ["green", "apple"]); index.put(2, ["red", "red", "wine"])
>>> scores = index.scores(["red", "apple"], 3)
>>> int(scores.argmax()), [round(float(s), 2) for s in scores]
(0, [0.96, 0.48, 0.63])
>>> [round(float(s), 2) for s in index.scores(["red", "apple"], 3, {"apple": 0.5})]
[0.72, 0.24, 0.63]
>>> index.drop(0); float(index.scores(["apple"], 3)[0])
0.0
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from math import ceil, log1p
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats, Mask, Rows
from models.items.sought import Sought, Way, sought
from models.items.vocabulary import Vocabulary
from models.text.words import Word

Weights: TypeAlias = Mapping[str, float]

K1: Final = 1.2


class Field(NamedTuple):
    """A field of an item's texts: how much a term in it counts, and how much its length does (0 to 1)."""

    name: str
    weight: float
    b: float


#: In the order of ``Bm25.put``; "purpose" is what a title says after "for", "fits" and their like.
FIELDS: Final = (
    Field("title", 1.0, 0.3), Field("purpose", 0.5, 0.3), Field("brand", 0.8, 0.3), Field("category", 0.6, 0.3),
    Field("values", 0.5, 0.3), Field("description", 0.25, 0.5),
)  # fmt: skip
#: those that name the item, all but the description: what stands there alone is merely said about it
NAMING: Final = 5
# A posting is one u8: the row above 4 bits a field of term frequency (15 or more count as 15).
_BITS: Final = 4
_MOST: Final = (1 << _BITS) - 1
_SHIFT: Final = _BITS * len(FIELDS)
_NAMED: Final = np.uint64((1 << _BITS * NAMING) - 1)
MOST_ROWS: Final = 1 << 31
#: words of queries whose items are remembered until the next change
REMEMBERED: Final = 256


class Matches(NamedTuple):
    """Items that a word finds: ``rows``, ascending; ``frequency``, weighed over fields and ways; whether each ``holds``
    it, and whether a naming field does.
    """

    rows: Rows
    frequency: Floats
    holds: Mask
    named: Mask


class Held(NamedTuple):
    """Which words some rows hold, (words, rows): anywhere, and in what names the item; ``idf``: (words,)."""

    anywhere: Mask
    named: Mask
    idf: Floats


class Bm25:
    """Fields of tokens by row number; 8 bytes a posting, and each row's tokens as shared term numbers."""

    def __init__(self, k1: float = K1) -> None:
        self.k1 = k1
        self.vocabulary = Vocabulary()
        self._postings: list[array[int]] = []
        self._terms: dict[int, list[array[int]]] = {}
        self._lengths = np.zeros((1 << 10, len(FIELDS)), np.uint16)
        self._totals = np.zeros(len(FIELDS), np.int64)
        self._memo: dict[Sought, Matches] = {}
        self._read: dict[tuple[Word | str, ...], list[Sought]] = {}
        self._ways: dict[Word, tuple[Way, ...]] = {}

    def __len__(self) -> int:
        return len(self._terms)

    def put(self, row: int, *fields: Sequence[str]) -> None:
        """Store or replace a row's tokens, field by field in the order of ``FIELDS``; those left out are empty.

        Raises ValueError for a row below 0 or at 2^31 and above.
        """
        if not 0 <= row < MOST_ROWS:
            raise ValueError(f"row {row}: expected 0 to {MOST_ROWS - 1}; a catalogue this large must be split")
        terms = [array("I", [self._number(token) for token in tokens]) for tokens in fields]
        old = self._terms.get(row)
        if old == terms:
            return
        if old is not None:
            self.drop(row)
        self._forget()
        counts: Counter[int] = Counter()
        for place, some in enumerate(terms):
            for term, count in Counter(some).items():
                counts[term] += min(count, _MOST) << _BITS * place
        for term, code in counts.items():
            postings, code = self._postings[term], row << _SHIFT | code
            if not postings or postings[-1] < code:
                postings.append(code)
            else:
                postings.insert(bisect_left(postings, code), code)
        self._terms[row] = terms
        if row >= len(self._lengths):
            self._lengths = np.concatenate([self._lengths, np.zeros((row + 1, len(FIELDS)), np.uint16)])
        self._lengths[row, : len(terms)] = [min(len(some), 0xFFFF) for some in terms]
        self._totals += self._lengths[row]

    def drop(self, row: int) -> None:
        """Forget a row; nothing happens when it is not held."""
        terms = self._terms.pop(row, None)
        if terms is None:
            return
        self._forget()
        for term in {term for some in terms for term in some}:
            postings = self._postings[term]
            del postings[bisect_left(postings, row << _SHIFT)]
        self._totals -= self._lengths[row]
        self._lengths[row] = 0

    def _forget(self) -> None:
        """What was worked out of the items as they were."""
        self._memo.clear()
        self._read.clear()
        self._ways.clear()

    def terms(self, start: int = 0) -> Iterator[str]:
        """Every token that was ever put, in order of its first, from the ``start``-th on."""
        return self.vocabulary.terms(start)

    def completions(self, start: str, count: int) -> list[str]:
        """At most ``count`` tokens that begin so and are longer, those that most rows hold first.

        >>> index = Bm25(); index.put(0, ["tea", "teapot"]); index.put(1, ["teapot", "team"]); index.drop(1)
        >>> index.completions("te", 5)
        ['tea', 'teapot']
        """
        held = ((len(self._postings[self.vocabulary.get(one)]), one) for one in self.vocabulary.beginning(start))
        return [one for _, one in nsmallest(count, ((-rows, one) for rows, one in held if rows))]

    def seek(self, words: Iterable[Word | str]) -> list[Sought]:
        """The distinct words of a query, or mere tokens, with every way to find them here."""
        asked = tuple(words)
        found = self._read.get(asked)
        if found is None:
            if len(self._read) >= REMEMBERED:
                self._read.clear()
                self._ways.clear()
            read = [Word(word, (word,)) if isinstance(word, str) else word for word in asked]
            found = self._read[asked] = sought(read, self.vocabulary, self._held_by, self._ways)
        return list(found)

    def holds(self, term: str) -> bool:
        """Whether some row holds a term itself."""
        return self._held_by(term) > 0

    def finds(self, token: str) -> bool:
        """Whether some row holds a token, in whatever way."""
        return self.holds(token) or self.frequency(token) > 0

    def frequency(self, token: str) -> int:
        """How many rows hold a token, in whatever way."""
        return sum(int(np.count_nonzero(self._matches(one).holds)) for one in self.seek([token])[:1])

    def holding(self, tokens: Iterable[str | Sought]) -> Rows:
        """Rows that hold every one of some tokens, ascending; none for no tokens.

        >>> index = Bm25(); index.put(0, ["red", "teas"]); index.put(1, ["red"])
        >>> index.holding(["tea", "red"]).tolist(), index.holding(["tea", "wine"]).tolist(), index.holding([]).tolist()
        ([0], [], [])
        """
        found: Rows | None = None
        for one in self._asked(tokens):
            matches = self._matches(one)
            held = matches.rows[matches.holds]
            found = held if found is None else np.intersect1d(found, held, assume_unique=True)
            if not len(found):
                break
        return np.zeros(0, np.int32) if found is None else found

    def scores(self, tokens: Iterable[str | Sought], rows: int, weights: Weights = MappingProxyType({})) -> Floats:
        """BM25F of every row below ``rows``, shape (rows,); 0 without a match; repeats count once.

        ``weights``: how much a token counts, where that is not 1.
        """
        out = np.zeros(rows, np.float32)
        for held, weight in self._weighed(tokens, weights):
            if held[-1] >= rows:
                keep = held < rows
                held, weight = held[keep], weight[keep]
            out[held] += weight
        return out

    def score(self, tokens: Iterable[str | Sought], rows: Rows, weights: Weights = MappingProxyType({})) -> Floats:
        """BM25F of the given rows, shape (n,); equal to ``scores(…)[rows]``, without the whole array."""
        out = np.zeros(len(rows), np.float32)
        for held, weight in self._weighed(tokens, weights):
            place = np.minimum(np.searchsorted(held, rows), len(held) - 1)
            out += np.where(held[place] == rows, weight[place], np.float32(0))
        return out

    def held(self, words: Sequence[Sought], rows: Rows) -> Held:
        """Which of the words each of the rows holds."""
        shape = len(words), len(rows)
        held = Held(np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), np.zeros(len(words), np.float32))
        for n, one in enumerate(words):
            matches = self._matches(one)
            held.idf[n] = self._idf(matches)
            if len(matches.rows):
                place = np.minimum(np.searchsorted(matches.rows, rows), len(matches.rows) - 1)
                same = matches.rows[place] == rows
                held.anywhere[n], held.named[n] = same & matches.holds[place], same & matches.named[place]
        return held

    def _asked(self, tokens: Iterable[str | Sought]) -> list[Sought]:
        listed = list(tokens)
        ready = [one for one in listed if isinstance(one, Sought)]
        return ready if len(ready) == len(listed) else self.seek(one for one in listed if isinstance(one, str))

    def _weighed(self, tokens: Iterable[str | Sought], weights: Weights) -> Iterator[tuple[Rows, Floats]]:
        """Rows and their weights, one pair for each distinct word that finds any, in order of the words."""
        for one in self._asked(tokens):
            matches = self._matches(one)
            if len(matches.rows):
                weight = self._idf(matches) * weights.get(one.name, 1.0) * (self.k1 + 1)
                saturated = matches.frequency / (matches.frequency + np.float32(self.k1))
                yield matches.rows, (saturated * np.float32(weight)).astype(np.float32)

    def _idf(self, matches: Matches) -> float:
        holding = int(np.count_nonzero(matches.holds)) or len(matches.rows)
        return log1p((len(self._terms) - holding + 0.5) / (holding + 0.5))

    def _matches(self, one: Sought) -> Matches:
        matches = self._memo.get(one)
        if matches is None:
            while len(self._memo) >= REMEMBERED:
                del self._memo[next(iter(self._memo))]
            matches = self._memo[one] = self._found(one)
        return matches

    def _found(self, one: Sought) -> Matches:
        """What all ways to a word find, the best way of each row."""
        ways = [self._way(way.terms, way.share, way.weight, way.holds) for way in one.ways]
        ways = [found for found in ways if len(found.rows)]
        if len(ways) < 2:
            return ways[0] if ways else _NOTHING
        n = max(int(found.rows[-1]) for found in ways) + 1
        best, holds, named = np.zeros(n, np.float32), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        for found in ways:
            best[found.rows] = np.maximum(best[found.rows], found.frequency)
            holds[found.rows] |= found.holds
            named[found.rows] |= found.named
        rows = np.flatnonzero(best).astype(np.int32)
        return Matches(rows, best[rows], holds[rows], named[rows])

    def _way(self, terms: Sequence[str], share: float, weight: float, holds: bool) -> Matches:
        """What one way finds: rows with some of its terms count by the mean over all of them, less where too few."""
        some = [found for found in map(self._term, terms) if len(found.rows)]
        if not some:
            return _NOTHING
        if len(terms) == 1:
            rows, frequency, _, named = some[0]
            return Matches(rows, frequency * np.float32(weight), np.full(len(rows), holds), named & holds)
        every = np.concatenate([found.rows for found in some])
        rows, place = np.unique(every, return_inverse=True)
        total = np.bincount(place, np.concatenate([found.frequency for found in some]))
        count = np.bincount(place)
        within = np.bincount(place, np.concatenate([found.named for found in some]))
        enough = count >= ceil(share * len(terms))
        frequency = (total / len(terms) * np.where(enough, weight, weight * _PARTLY)).astype(np.float32)
        return Matches(rows.astype(np.int32), frequency, enough & holds, enough & holds & (within == count))

    def _term(self, term: str) -> Matches:
        """The rows of one term, with its frequency weighed by field and length."""
        number = self.vocabulary.get(term)
        postings = self._postings[number] if number >= 0 else None
        if not postings:
            return _NOTHING
        # Copies, never views that outlive this: an array whose buffer is held cannot grow.
        codes = np.frombuffer(postings, np.uint64)
        rows = (codes >> np.uint64(_SHIFT)).astype(np.int32)
        low = (codes & np.uint64((1 << _SHIFT) - 1)).astype(np.uint32)
        del codes, postings
        frequency = np.zeros(len(rows), np.float32)
        everywhere = int(np.bitwise_or.reduce(low))
        lengths: NDArray[np.uint16] = self._lengths[rows]
        for place, field in enumerate(FIELDS):
            if not everywhere >> _BITS * place & _MOST:
                continue
            count = (low >> np.uint32(_BITS * place) & np.uint32(_MOST)).astype(np.float32)
            average = self._totals[place] / max(len(self._terms), 1)
            length = lengths[:, place].astype(np.float32) * np.float32(field.b / max(average, 1e-9))
            frequency += count * np.float32(field.weight) / (np.float32(1 - field.b) + length)
        return Matches(rows, frequency, np.ones(len(rows), np.bool_), (low & np.uint32(_NAMED)) > 0)

    def _held_by(self, term: str) -> int:
        number = self.vocabulary.get(term)
        return 0 if number < 0 else len(self._postings[number])

    def _number(self, token: str) -> int:
        number = self.vocabulary.number(token)
        if number == len(self._postings):
            self._postings.append(array("Q"))
        return number


#: What rows with some of the parts of a word count beside those with all.
_PARTLY: Final = 0.5
_NOTHING: Final = Matches(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.bool_), np.zeros(0, np.bool_))
