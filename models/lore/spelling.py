"""Spelling: an unknown English word to a frequent one within one edit, two from 8 letters on.

An edit inserts, drops or replaces a letter or swaps two neighbours (the restricted Damerau-Levenshtein distance,
also called optimal string alignment). Words are looked up by symmetric deletes (Garbe's SymSpell): two words within
distance d share a string that leaves out at most d letters of each, and comparing their first 7 is enough. The index
is forty times as fast as comparing with all words in rapidfuzz (docs/decisions/0024-kept-libraries.md). Only words of
ASCII letters are corrected, or corrected to: numbers, model numbers, names with digits and Chinese words are left as
they are. Two words that ran together (``modernwarfare``) are not split.

>>> speller = Speller()
>>> for word in ("assassin", "assist", "kinect", "forza"):
...     speller.add(word)
>>> frequency = {"assassin": 40, "assist": 2, "kinect": 30, "forza": 20}
>>> [speller.correct(word, lambda word: frequency.get(word, 0)) for word in ("asasin", "kinnect", "froza", "xbox360")]
[None, 'kinect', 'forza', None]
>>> speller.correct("assassinn", lambda word: frequency.get(word, 0))
'assassin'
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Final, TypeAlias

from rapidfuzz.distance import OSA

#: shorter words have too many neighbours
SHORTEST: Final = 4
#: from so many letters on, two edits
LONG: Final = 8
PREFIX: Final = 7
#: a word in fewer titles and known queries is nothing to correct to
LEAST: Final = 2
_Index: TypeAlias = dict[str, str | tuple[str, ...]]


class Speller:
    """Words to correct to. 50,000 words take about 100 MB; a look-up 0.05 to 0.2 ms."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        #: words by what is left of them without 0 or 1 letters, and without 2
        self._by_left: tuple[_Index, _Index] = ({}, {})

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str) -> None:
        """Take in a word; nothing happens when it is there, or cannot be corrected to."""
        if word in self._words or not correctable(word):
            return
        self._words.add(word)
        # a word that is two letters short of long may be a long one misspelt
        for index, lefts in zip(self._by_left, _deletes(word, len(word) >= LONG - 2), strict=False):
            for left in lefts:
                there = index.get(left)
                if there is None:
                    index[left] = word
                else:
                    index[left] = (there, word) if isinstance(there, str) else (*there, word)

    def __contains__(self, word: str) -> bool:
        return word in self._words

    def drop(self, word: str) -> None:
        """Forget a word; nothing happens when it is not there."""
        if word not in self._words:
            return
        self._words.remove(word)
        for index, lefts in zip(self._by_left, _deletes(word, len(word) >= LONG - 2), strict=False):
            for left in lefts:
                there = index[left]
                others = () if isinstance(there, str) else tuple(other for other in there if other != word)
                if not others:
                    del index[left]
                else:
                    index[left] = others if len(others) > 1 else others[0]

    def correct(self, word: str, frequency: Callable[[str], int]) -> str | None:
        """The word that ``word`` probably should be: the nearest, then the most frequent, then by the alphabet.

        ``frequency`` says how often a word is used; None when no word in use is near enough.
        """
        if not correctable(word):
            return None
        most = edits(word)
        candidates = []
        for other in self._near(word):
            uses = frequency(other)
            if other != word and uses >= LEAST:
                distance = OSA.distance(word, other, score_cutoff=most)
                if distance <= most:
                    candidates.append((distance, -uses, other))
        return min(candidates)[2] if candidates else None

    def _near(self, word: str) -> set[str]:
        near: set[str] = set()
        for index, lefts in zip(self._by_left, _deletes(word, edits(word) > 1), strict=False):
            for left in lefts:
                there = index.get(left)
                if isinstance(there, str):
                    near.add(there)
                elif there is not None:
                    near.update(there)
        return near


def correctable(word: str) -> bool:
    """Whether a word may be corrected, or corrected to: at least 4 ASCII letters and nothing else.

    >>> [correctable(word) for word in ("kinnect", "xbox360", "red", "手机壳子")]
    [True, False, False, False]
    """
    return len(word) >= SHORTEST and word.isascii() and word.isalpha()


def edits(word: str) -> int:
    """How many edits a misspelt word may be away."""
    return 2 if len(word) >= LONG else 1


def _deletes(word: str, two: bool) -> list[set[str]]:
    """What is left of the word's first letters without 0 or 1 of them and, with ``two``, without 2."""
    start = word[:PREFIX]
    places = range(len(start))
    deletes = [{start, *(start[:at] + start[at + 1 :] for at in places)}]
    if two:
        deletes.append({start[:a] + start[a + 1 : b] + start[b + 1 :] for a, b in combinations(places, 2)})
    return deletes
