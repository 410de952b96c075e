"""BM25 over short texts, in memory, updated in place: an upsert or delete is in the very next search.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's
idf, ln(1 + (N - df + 1/2) / (df + 1/2)), which is never negative. A term's postings are sorted by row, so
the index depends on what it holds and not on the order in which it came. Measured against tantivy in
docs/decisions/0002-lexical-and-vector-search.md.

>>> index = Bm25()
>>> index.put(0, ["red", "apple"]); index.put(1, ["green", "apple"]); index.put(2, ["red", "red", "wine"])
>>> scores = index.scores(["red", "apple"], 3)
>>> int(scores.argmax()), [round(float(s), 2) for s in scores]
(0, [1.0, 0.5, 0.6])
>>> [round(float(s), 2) for s in index.scores(["red", "apple"], 3, {"apple": 0.5})]
[0.75, 0.25, 0.6]
>>> index.drop(0); float(index.scores(["apple"], 3)[0])
0.0
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log1p
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from models.base.arrays import Floats, Rows

Weights: TypeAlias = Mapping[str, float]

K1: Final = 1.2
B: Final = 0.75
# A posting is one u4: the row above 4 bits of term frequency (15 or more count as 15).
_BITS: Final = 4
_MOST: Final = (1 << _BITS) - 1
MOST_ROWS: Final = 1 << (32 - _BITS)


class Bm25:
    """Token lists by row number; 4 bytes a posting, 4 a row, and each row's tokens as shared term numbers."""

    def __init__(self, k1: float = K1, b: float = B) -> None:
        self.k1, self.b = k1, b
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._postings: list[array[int]] = []
        self._terms: dict[int, array[int]] = {}
        self._lengths = np.zeros(1 << 10, np.float32)
        self._total = 0

    def __len__(self) -> int:
        return len(self._terms)

    def put(self, row: int, tokens: Sequence[str]) -> None:
        """Store or replace a row's tokens; raises ValueError for a row below 0 or at 2^28 and above."""
        if not 0 <= row < MOST_ROWS:
            raise ValueError(f"row {row}: expected 0 to {MOST_ROWS - 1}; a catalogue this large must be split")
        terms = array("I", [self._number(token) for token in tokens])
        old = self._terms.get(row)
        if old == terms:
            return
        if old is not None:
            self.drop(row)
        for term, count in Counter(terms).items():
            postings, code = self._postings[term], row << _BITS | min(count, _MOST)
            if not postings or postings[-1] < code:
                postings.append(code)
            else:
                postings.insert(bisect_left(postings, code), code)
        self._terms[row] = terms
        self._total += len(terms)
        if row >= len(self._lengths):
            self._lengths = np.concatenate([self._lengths, np.zeros(row + 1, np.float32)])
        self._lengths[row] = len(terms)

    def drop(self, row: int) -> None:
        """Forget a row; nothing happens when it is not held."""
        terms = self._terms.pop(row, None)
        if terms is None:
            return
        for term in set(terms):
            postings = self._postings[term]
            del postings[bisect_left(postings, row << _BITS)]
        self._total -= len(terms)
        self._lengths[row] = 0

    def frequency(self, token: str) -> int:
        """How many rows hold a token."""
        number = self._numbers.get(token)
        return 0 if number is None else len(self._postings[number])

    def terms(self, start: int = 0) -> Iterator[str]:
        """Every token that was ever put, in order of its first, from the ``start``-th on."""
        return iter(self._names[start:])

    def holding(self, tokens: Iterable[str]) -> Rows:
        """Rows that hold every one of some tokens, ascending; none for no tokens.

        >>> index = Bm25(); index.put(0, ["red", "tea"]); index.put(1, ["red"])
        >>> index.holding(["tea", "red"]).tolist(), index.holding(["tea", "wine"]).tolist(), index.holding([]).tolist()
        ([0], [], [])
        """
        found: Rows | None = None
        for token in dict.fromkeys(tokens):
            number = self._numbers.get(token)
            codes = np.array(self._postings[number] if number is not None else (), np.uint32)
            held = (codes >> _BITS).astype(np.int32)
            found = held if found is None else np.intersect1d(found, held, assume_unique=True)
            if not len(found):
                break
        return np.zeros(0, np.int32) if found is None else found

    def scores(self, tokens: Iterable[str], rows: int, weights: Weights = MappingProxyType({})) -> Floats:
        """BM25 of every row below ``rows``, shape (rows,); 0 without a match; repeats count once.

        ``weights``: how much a token counts, where that is not 1.
        """
        out = np.zeros(rows, np.float32)
        for held, weight in self._weighed(tokens, weights):
            if held[-1] >= rows:
                keep = held < rows
                held, weight = held[keep], weight[keep]
            out[held] += weight
        return out

    def score(self, tokens: Iterable[str], rows: Rows, weights: Weights = MappingProxyType({})) -> Floats:
        """BM25 of the given rows, shape (n,); equal to ``scores(…)[rows]``, without the whole array."""
        out = np.zeros(len(rows), np.float32)
        for held, weight in self._weighed(tokens, weights):
            place = np.minimum(np.searchsorted(held, rows), len(held) - 1)
            out += np.where(held[place] == rows, weight[place], np.float32(0))
        return out

    def _weighed(self, tokens: Iterable[str], weights: Weights) -> Iterable[tuple[Rows, Floats]]:
        """Rows and their weights, one pair for each distinct token that is held, in order of the tokens."""
        average = self._total / max(len(self._terms), 1)
        base, slope = np.float32(self.k1 * (1 - self.b)), np.float32(self.k1 * self.b / max(average, 1e-9))
        for token in dict.fromkeys(tokens):
            postings = self._postings[self._numbers[token]] if token in self._numbers else None
            if not postings:
                continue
            # Copies, never views that outlive this loop: an array whose buffer is held cannot grow.
            codes = np.frombuffer(postings, np.uint32)
            held = (codes >> _BITS).astype(np.int32)
            count = (codes & _MOST).astype(np.float32)
            del codes
            idf = log1p((len(self._terms) - len(held) + 0.5) / (len(held) + 0.5)) * weights.get(token, 1.0)
            weight = count / (count + (base + slope * self._lengths[held]))
            yield held, (weight * np.float32(idf * (self.k1 + 1))).astype(np.float32)

    def _number(self, token: str) -> int:
        number = self._numbers.get(token)
        if number is None:
            number = self._numbers[token] = len(self._postings)
            self._postings.append(array("I"))
            self._names.append(token)
        return number
