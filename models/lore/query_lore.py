"""What the log teaches about a query's words: corrected, and expanded; and which known queries are like it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from rapidfuzz.distance import OSA

from models.ask import Expansion, NearText
from models.base.arrays import Floats
from models.items.bm25 import Bm25
from models.lore.known_queries import LEAST_WEIGHT, KnownQueries, KnownQuery
from models.lore.spelling import Speller, correctable, edits
from models.lore.synonyms import Synonyms
from models.text.stopwords import STOP_WORDS
from models.text.words import replace_words

#: most words that are searched for beside a query's own
MOST_TERMS: Final = 3
#: a word in so many known queries is known, unless a word that looks like it is ``OUTNUMBERED`` times as frequent
FREQUENT: Final = 3
OUTNUMBERED: Final = 20
#: of two known queries that an unknown one may be, one with one edit more must be heavier by so much (log2)
EDIT_COST: Final = 6.0
#: known queries like this one: how many, and their least cosine
NEIGHBOURS: Final = 8
LEAST_COSINE: Final = 0.6


class WordsRead(NamedTuple):
    """A query's words after correction, what they were corrected from and expanded by, and the corrected text."""

    tokens: tuple[str, ...]
    expansion: tuple[Expansion, ...]
    corrected: str


class QueryLore:
    """The known queries with their words and synonyms, and every word of the catalogue to correct to."""

    def __init__(self, limit: int = 50_000) -> None:
        self.table = KnownQueries(limit)
        self.synonyms = Synonyms(self.table)
        self.speller = Speller()
        self._terms = 0
        #: words to correct to that only known queries have: they leave with these
        self._learnt: set[str] = set()

    def learn(self, query: KnownQuery, tokens: Sequence[str]) -> None:
        """Take in a known query whose words are ``tokens``. Raises ModelError when its vector is none."""
        gone: set[str] = set()

        def forget(row: int) -> None:
            gone.update(self.table.tokens[row])
            self.synonyms.forget(row)

        row = self.table.put(query, tokens, forget)
        self.synonyms.learn(row)
        for token in gone & self._learnt:
            if self.table.frequency(token) < FREQUENT:
                self._learnt.remove(token)
                self.speller.drop(token)
        for token in tokens if row >= 0 else ():
            if self.table.frequency(token) >= FREQUENT and token not in self.speller:
                self.speller.add(token)
                self._learnt.add(token)

    def learn_words(self, lexical: Bm25) -> None:
        """Take in the words that the catalogue has got since the last call."""
        for term in lexical.terms(self._terms):
            self.speller.add(term)
            self._learnt.discard(term)
            self._terms += 1

    def understand(
        self, text: str, tokens: Sequence[str], lexical: Bm25, is_word: Callable[[str], bool] = lambda word: False
    ) -> WordsRead:
        """Correct and expand a normalised text's words; ``lexical``: the catalogue's.

        ``is_word`` says of a word that neither the catalogue nor the queries know whether it is one all the same.
        """
        better = ((token, self._correct(token, lexical, is_word)) for token in tokens)
        changes = {token: other for token, other in better if other is not None}
        kept = tuple(changes.get(token, token) for token in tokens)
        # a stop word misspelt is one
        kept = tuple(token for token in kept if token not in STOP_WORDS) or kept
        spelt = [Expansion(better, token, "spelling", 1.0) for token, better in changes.items()]
        corrected = replace_words(text, changes) if changes else ""
        return WordsRead(kept, (*spelt, *self.expanded(kept, lexical)), corrected)

    def knows(self, text: str) -> bool:
        """Whether something was chosen after a normalised text."""
        return self.table.holds(text)

    def meant(self, text: str, tokens: Sequence[str], lexical: Bm25) -> str:
        """The known query that a normalised text probably should be; "" when it is one, or is near none.

        ``tokens``: the text's words. A text whose words some title holds all is left as it is, unless it differs from
        a known query in spaces and punctuation alone.
        """
        near = self.table.spelt.near(text)
        if any(not edits and self.table.texts[row] == text for edits, row in near):
            return ""
        near = [(edits, row) for edits, row in near if self.table.weights[row] >= LEAST_WEIGHT]
        if not near or (near[0][0] and len(lexical.holding(tokens))):
            return ""
        _, _, row = max(
            (self.table.strength[row] - EDIT_COST * edits, self.table.keys[row], row) for edits, row in near
        )
        return self.table.texts[row]

    def neighbours(self, compact: Floats, exclude: Collection[int]) -> tuple[NearText, ...]:
        """The known queries nearest to a unit vector (64,), but for those with the keys in ``exclude``."""
        return tuple(self.table.near(compact, NEIGHBOURS, LEAST_COSINE, exclude))

    def _correct(self, token: str, lexical: Bm25, is_word: Callable[[str], bool]) -> str | None:
        if not correctable(token) or lexical.frequency(token) or is_word(token):
            return None

        def frequency(word: str) -> int:
            return lexical.frequency(word) + self.table.frequency(word)

        better = self.speller.correct(token, frequency)
        own = self.table.frequency(token)
        if better is None or (own >= FREQUENT and frequency(better) < OUTNUMBERED * own):
            return None
        return better

    def expanded(self, tokens: Sequence[str], lexical: Bm25) -> tuple[Expansion, ...]:
        """At most three words of the catalogue that stand for the query's, heaviest first."""
        found: dict[str, Expansion] = {}
        for token in dict.fromkeys(tokens):
            for term, weight in self.synonyms.of(token):
                known = term not in tokens and lexical.frequency(term)
                if known and (term not in found or found[term].weight < weight):
                    kind = "spelling" if looks_like(token, term) else "synonym"
                    found[term] = Expansion(term, token, kind, weight)
        return tuple(sorted(found.values(), key=lambda one: (-one.weight, one.term))[:MOST_TERMS])


def nearness(near: NearText) -> float:
    """How much the choices of a known query count for one near it: 0 at the least cosine, 1 for the same meaning.

    >>> nearness(NearText("tea", 1, 0.8)), nearness(NearText("tea", 1, 1.0))
    (0.25, 1.0)
    """
    return round(((near.cosine - LEAST_COSINE) / (1 - LEAST_COSINE)) ** 2, 9)


def looks_like(word: str, other: str) -> bool:
    """Whether a word that means the same is another spelling: few edits, or one other character of a Chinese word.

    >>> looks_like("warefare", "warfare"), looks_like("couch", "sofa"), looks_like("帐篷", "账篷")
    (True, False, True)
    """
    if correctable(word) and correctable(other):
        return OSA.distance(word, other, score_cutoff=edits(word)) <= edits(word)
    alike = len(word) == len(other) > 1 and word.isalpha() and not word.isascii()
    return alike and sum(a != b for a, b in zip(word, other, strict=True)) == 1
