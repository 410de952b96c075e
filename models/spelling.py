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

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Final

#: shorter words have too many neighbours
SHORTEST: Final = 4
#: from so many letters on, two edits
LONG: Final = 8
PREFIX: Final = 7
#: a word in fewer titles and known queries is nothing to correct to
LEAST: Final = 2


class Speller:
    """Words to correct to. A 50,000-word vocabulary takes about 100 MB; a look-up 0.05 to 0.2 ms."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._deletes: dict[str, str | tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._words)

    def add(self, word: str) -> None:
        """Take in a word; nothing happens when it is there, or cannot be corrected to."""
        if word in self._words or not correctable(word):
            return
        self._words.add(word)
        for left in _deletes(word):
            there = self._deletes.get(left)
            if there is None:
                self._deletes[left] = word
            else:
                self._deletes[left] = (there, word) if isinstance(there, str) else (*there, word)

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
            if other != word and often >= LEAST and abs(len(other) - len(word)) <= most:
                apart = distance(word, other, most)
                if apart <= most:
                    found.append((apart, -often, other))
        return min(found)[2] if found else None

    def _near(self, word: str) -> set[str]:
        near: set[str] = set()
        for left in _deletes(word):
            there = self._deletes.get(left)
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
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, before, row = before, row, [i] + [0] * len(other)
        for j, match in enumerate(other, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != match))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == match:
                row[j] = min(row[j], last[j - 2] + 1)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _deletes(word: str) -> Iterator[str]:
    """The word's first letters, and what is left of them without one letter, or two of a long word's."""
    start = word[:PREFIX]
    yield start
    seen = {start}
    # a word one letter short of long may be a long one misspelt, or the other way round
    for count in range(1, 3 if len(word) >= LONG - 2 else 2):
        for gone in combinations(range(len(start)), count):
            left = "".join(letter for place, letter in enumerate(start) if place not in gone)
            if left not in seen:
                seen.add(left)
                yield left
