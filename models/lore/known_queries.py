"""What is known of query texts: those that led to a choice, each with its vector, its words and its items.

Every query worker holds the same table: the ``limit`` heaviest of all that the topic ``queries`` tells. A query's
weight is compared as if decayed to one moment and grows with each of its records, so what the table holds does not
depend on their order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from math import inf, log2, sqrt
from typing import Final

import msgspec
import numpy as np

from models.ask import NearText
from models.base.arrays import Floats
from models.base.errors import ModelError
from models.base.vectors import SLACK, cosines, near_top
from models.lore.beginnings import Beginnings
from models.lore.query_spelling import SpeltTexts
from models.text.words import bare
from streamrank_client.vocabulary import COMPACT as DIM
from streamrank_client.vocabulary import FIRST_ENCODER, key

#: of the weights' decay, in seconds: that of ``state.query_clicks``
HALF_LIFE: Final = 30 * 86_400
#: a known query of less weight (a few clicks) is nothing to correct to, or to suggest
LEAST_WEIGHT: Final = 4.0


class KnownQuery(msgspec.Struct, array_like=True):
    """One query text as the topic ``queries`` carries it; a later record replaces it.

    ``text``: normalised; ``key``: ``streamrank_client.vocabulary.key(text)``; ``time``: Unix seconds of its newest
    choice; ``weight``: of its choices, decayed to then; ``items``: u64 keys of at most 8, heaviest first, with
    ``weights``; ``compact``: 64 little-endian f4, unit length or zeros; ``encoder``: version of the one that made it.
    """

    text: str
    key: int
    time: int
    weight: float
    items: list[int]
    weights: list[float]
    compact: bytes
    encoder: str = FIRST_ENCODER


encode_query = msgspec.msgpack.Encoder().encode
decode_query = msgspec.msgpack.Decoder(KnownQuery).decode


def check_query(query: KnownQuery) -> None:
    """Raise ModelError for a query with which the table could not work."""
    _vector(query)
    numbers = [query.weight, *query.weights]
    if len(query.items) != len(query.weights) or not all(0 <= number < inf for number in numbers):
        raise _bad(query, "weights: expected as many finite numbers as items")
    if query.key != key(query.text) or not 0 <= query.time < 1 << 40:
        raise _bad(query, "key or time: not those of this text, or of any moment")


class KnownQueries:
    """Known queries by row: rows 0 to n - 1 are in use, and a query that comes for another takes its row.

    >>> table = KnownQueries(limit=2)
    >>> unit = np.eye(1, 64, dtype="<f4").tobytes()
    >>> for text, weight in (("tea", 3.0), ("red tea", 1.0), ("wine", 2.0)):
    ...     _ = table.put(KnownQuery(text, len(text), 0, weight, [7], [weight], unit), text.split())
    >>> table.texts, table.frequency("red"), table.frequency("tea")
    (['tea', 'wine'], 0, 1)
    """

    def __init__(self, limit: int = 50_000) -> None:
        self.limit = max(limit, 0)
        self.texts: list[str] = []
        self.tokens: list[frozenset[str]] = []
        self.keys: list[int] = []
        self.weights: list[float] = []
        #: u64 keys of each query's items and their shares of its choices, heaviest first
        self.items: list[tuple[int, ...]] = []
        self.shares: list[tuple[float, ...]] = []
        #: the rows that hold each word
        self.holding: dict[str, set[int]] = {}
        #: their texts again, to be found in spite of slips of the finger
        self.spelt = SpeltTexts()
        #: without accents, to be found by how they begin
        self.beginnings = Beginnings()
        #: log2 of their weights, as if decayed to one moment
        self.strength: list[float] = []
        self._rows: dict[int, int] = {}
        self._lightest: list[tuple[float, int]] = []
        self._compact = np.zeros((64, DIM), np.float32)

    def __len__(self) -> int:
        """Queries held."""
        return len(self.texts)

    @property
    def compact(self) -> Floats:
        """The rows' vectors, (n, 64)."""
        return self._compact[: len(self)]

    def holds(self, text: str) -> bool:
        """Whether a normalised text is one of them."""
        return key(text) in self._rows

    def frequency(self, word: str) -> int:
        """How many known queries hold a word."""
        return len(self.holding.get(word, ()))

    def put(self, query: KnownQuery, tokens: Iterable[str], forget: Callable[[int], None] = lambda row: None) -> int:
        """Store or replace a query whose words are ``tokens``; the lightest leaves when there are too many.

        ``forget`` is called with the row whose content is about to go, if one is. Returns the query's row, -1 when
        it is lighter than all others. Raises ModelError on a vector of a wrong size or that is not finite.
        """
        compact = _vector(query)
        strength = log2(max(query.weight, 1e-30)) + query.time / HALF_LIFE
        row = self._room(strength, query.key)
        if row < 0:
            return -1
        if row == len(self):
            self._append()
        else:
            forget(row)
            self._clear(row)
        self._compact[row] = compact
        self.texts[row], self.keys[row], self.weights[row] = query.text, query.key, query.weight
        self.spelt.put(row, query.text)
        self.beginnings.put(row, bare(query.text))
        self.tokens[row] = frozenset(tokens)
        norm = sqrt(sum(weight * weight for weight in query.weights)) or 1.0
        self.items[row] = tuple(query.items)
        self.shares[row] = tuple(weight / norm for weight in query.weights)
        for token in self.tokens[row]:
            self.holding.setdefault(token, set()).add(row)
        self.strength[row] = strength
        self._rows[query.key] = row
        self._push(strength, query.key)
        return row

    def near(self, direction: Floats, count: int, least: float, exclude: Collection[int] = ()) -> list[NearText]:
        """At most ``count`` queries whose cosine with a unit vector (64,) is at least ``least``, nearest first.

        Those whose key is in ``exclude`` are left out. The same whatever rows the queries have.
        """
        if not len(self) or count < 1:
            return []
        rows = near_top(self.compact @ direction, count + len(exclude), above=least - SLACK, slack=2 * SLACK)
        exact = cosines(self.compact, rows, direction).tolist()
        found = [
            (-cosine, self.keys[row], row)
            for cosine, row in zip(exact, rows.tolist(), strict=True)
            if cosine >= least and self.keys[row] not in exclude
        ]
        return [NearText(self.texts[row], key, -cosine) for cosine, key, row in sorted(found)[:count]]

    def _room(self, strength: float, key: int) -> int:
        """The row for a query: its own, a new one, or that of the lightest if that is lighter; -1 for none."""
        row = self._rows.get(key, -1)
        if row >= 0 or len(self) < self.limit:
            return row if row >= 0 else len(self)
        while self._lightest:
            lightest, other = self._lightest[0]
            row = self._rows.get(other, -1)
            if row >= 0 and self.strength[row] == lightest:
                return row if (lightest, other) < (strength, key) else -1
            heapq.heappop(self._lightest)
        return -1

    def _append(self) -> None:
        if len(self) == len(self._compact):
            self._compact = np.concatenate([self._compact, np.zeros_like(self._compact)])
        self.texts.append("")
        self.tokens.append(frozenset())
        self.keys.append(0)
        self.weights.append(0.0)
        self.items.append(())
        self.shares.append(())
        self.strength.append(0.0)

    def _clear(self, row: int) -> None:
        del self._rows[self.keys[row]]
        for token in self.tokens[row]:
            rows = self.holding[token]
            rows.remove(row)
            if not rows:
                del self.holding[token]

    def _push(self, strength: float, key: int) -> None:
        heapq.heappush(self._lightest, (strength, key))
        if len(self._lightest) > 2 * len(self) + 64:
            self._lightest = [(self.strength[row], key) for key, row in self._rows.items()]
            heapq.heapify(self._lightest)


def _vector(query: KnownQuery) -> Floats:
    if len(query.compact) == 4 * DIM:
        found = np.frombuffer(query.compact, "<f4")
        if np.isfinite(found).all():
            return found
    raise _bad(query, f"compact: expected {DIM} finite numbers")


def _bad(query: KnownQuery, what: str) -> ModelError:
    return ModelError(f"Known query {query.text[:140]!r}: {what}.", "run `streamrank topics repair`.")
