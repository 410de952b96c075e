"""What a Chinese word is called in English, the other way round, and both: for words that the catalogue does not hold.

A shop's titles are in one language, its shoppers' texts in several. The encoder reads both, but a word by itself not
surely: 酸奶, yogurt, is sour milk character by character. What two words have in common in the other language are two
names of a thing: aubergine, 茄子, eggplant. The dictionary is CC-CEDICT's, of names of things alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.base.arrays import Keys
from models.base.paths import DATA, data_lines
from streamrank_client.vocabulary import key

TRANSLATIONS: Final = DATA / "words" / "translations.tsv"
#: words of a query that are looked up as one
LONGEST: Final = 3
#: names that a word has at most
MOST: Final = 6


class Translation(NamedTuple):
    """Words of a text, ``of``, at the places from ``begin`` to ``end``, and the words of what they are called."""

    begin: int
    end: int
    of: str
    words: tuple[str, ...]


class Translations:
    """Both directions as bytes, sorted by hash: a tenth of what a dict takes.

    >>> some = Translations(["酸奶\\tyogurt|sour milk", "奶粉\\tmilk powder", "糖\\tsugar|candy"])
    >>> some.of("酸奶"), some.of("milk powder"), some.of("tea")
    (('yogurt', 'sour milk'), ('奶粉',), ())
    """

    def __init__(self, lines: Sequence[str]) -> None:
        names: dict[str, list[str]] = {}
        for line in lines:
            word, _, meant = line.partition("\t")
            names[word] = meant.split("|")
        for word in list(names):
            first, *others = names[word]
            # a word whose first name it is says it better than one that has it among others
            names.setdefault(first, []).insert(0, word)
            for name in others:
                names.setdefault(name, []).append(word)
        found = sorted((key(one), "|".join(meant[:MOST]).encode()) for one, meant in names.items())
        self._keys: Keys = np.array([hashed for hashed, _ in found], np.uint64)
        self._ends = np.cumsum([len(meant) for _, meant in found], dtype=np.int64)
        self._names = b"".join(meant for _, meant in found)

    @classmethod
    @cache
    def load(cls, path: Path = TRANSLATIONS) -> Translations:
        """Those that are shipped; raises ``TextError`` if unreadable."""
        return cls(data_lines(path))

    def of(self, text: str) -> tuple[str, ...]:
        """What a word or a name of several is called, the usual name first; none for one that is not there."""
        wanted = np.uint64(key(text))
        at = int(np.searchsorted(self._keys, wanted))
        if at == len(self._keys) or self._keys[at] != wanted:
            return ()
        begin = int(self._ends[at - 1]) if at else 0
        return tuple(self._names[begin : int(self._ends[at])].decode().split("|"))

    def translate(
        self, tokens: Sequence[str], found: Callable[[str], bool], held: Callable[[str], bool]
    ) -> Iterator[Translation]:
        """Of the tokens by which nothing is ``found``, as many together as are in the dictionary: the first name of
        which all words are ``held`` by something, else the first with one that is; and by way of the other language
        other names in the same one.

        >>> some = Translations(["酸奶\\tyogurt|sour milk", "婴儿\\tinfant|baby", "奶粉\\tmilk powder"])
        >>> titles = {"baby", "milk"}.__contains__
        >>> [(one.of, one.words) for one in some.translate(["婴儿", "奶粉"], titles, titles)]
        [('婴儿', ('baby',)), ('奶粉', ('milk', 'powder'))]
        >>> list(some.translate(["baby"], titles, titles)), list(some.translate(["tea"], titles, titles))
        ([], [])
        >>> some = Translations(["茄子\\teggplant|aubergine"])
        >>> [one.words for one in some.translate(["aubergine"], {"eggplant"}.__contains__, {"eggplant"}.__contains__)]
        [('eggplant',)]
        """
        begin = 0
        while begin < len(tokens):
            run = itertools.takewhile(lambda token: not found(token), tokens[begin : begin + LONGEST])
            one = self._longest(begin, tuple(run), held)
            if one is not None:
                yield one
            begin = begin + 1 if one is None else one.end

    def _longest(self, begin: int, tokens: Sequence[str], held: Callable[[str], bool]) -> Translation | None:
        """The translation of as many tokens as there is one for, from the first on; they stand at ``begin``."""
        for count in range(len(tokens), 0, -1):
            of = (" " if tokens[0].isascii() else "").join(tokens[:count])
            names = self.of(of)
            others = (other for name in names for other in self.of(name))
            for some in (names, others):
                likely = [words for words in map(str.split, some) if any(map(held, words))]
                if likely:
                    best = next((words for words in likely if all(map(held, words))), likely[0])
                    return Translation(begin, begin + count, of, tuple(best))
        return None


def translated(tokens: Sequence[str], translations: Sequence[Translation]) -> str:
    """A text's tokens with what is translated in its place; "" without a translation.

    >>> translated(["red", "酸奶"], [Translation(1, 2, "酸奶", ("yogurt",))]), translated(["tea"], [])
    ('red yogurt', '')
    """
    words = list(tokens)
    for one in reversed(translations):
        words[one.begin : one.end] = one.words
    return " ".join(words) if translations else ""
