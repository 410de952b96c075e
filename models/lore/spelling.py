"""Spelling: an unknown English word to a frequent one within one edit, two from 8 letters on.

An edit inserts, drops or replaces a letter or swaps two neighbours (the restricted Damerau-Levenshtein distance).
Words are found by symmetric deletes (Garbe's SymSpell): two words within distance d share a string that leaves out
at most d letters of each, and it is enough to look at their first 7. Only words of ASCII letters are corrected, or
corrected to: numbers, model numbers, names with digits and Chinese words are left as they are. A letter too many
between two words, or too few (``modernwarfare``), is not mended.

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

    def correct(self, word: str, frequency: Callable[[str], int]) -> str | None:
        """The word that ``word`` probably should be: the nearest, then the most frequent, then by the alphabet.

        ``frequency`` says how often a word is used; None when no word in use is near enough.
        """
        if not correctable(word):
            return None
        most = edits(word)
        found = []
        for other in self._near(word):
            often = frequency(other)
            if other != word and often >= LEAST:
                apart = distance(word, other, most)
                if apart <= most:
                    found.append((apart, -often, other))
        return min(found)[2] if found else None

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


def distance(one: str, other: str, most: int) -> int:
    """The restricted Damerau-Levenshtein distance of two words, or ``most`` + 1 when it is larger than ``most``.

    >>> distance("froza", "forza", 2), distance("assasins", "assassin", 2), distance("halo", "forza", 2)
    (1, 2, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return _distance(one[start : len(one) - end], other[start : len(other) - end], most)


def _distance(one: str, other: str, most: int) -> int:
    """The same of what is left between equal beginnings and ends: row by row, near the diagonal, of the usual table."""
    far = most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        # no path within the limit leaves the diagonal by more than it
        first, end = max(1, i - most), min(len(other), i + most) + 1
        last, before, row = before, row, [far] * (len(other) + 1)
        row[0] = i
        for j in range(first, end):
            match = other[j - 1]
            best = min(before[j], row[j - 1]) + 1
            best = min(best, before[j - 1] + (letter != match))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == match:
                best = min(best, last[j - 2] + 1)
            row[j] = best
        if min(row[first - 1 : end]) > most:
            return far
    return min(row[-1], far)


def _deletes(word: str, two: bool) -> list[set[str]]:
    """What is left of the word's first letters without 0 or 1 of them and, with ``two``, without 2."""
    start = word[:PREFIX]
    places = range(len(start))
    found = [{start, *(start[:at] + start[at + 1 :] for at in places)}]
    if two:
        found.append({start[:a] + start[a + 1 : b] + start[b + 1 :] for a, b in combinations(places, 2)})
    return found
