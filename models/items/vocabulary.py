"""Every word that an item was ever found by, and which of them a typed word may stand for.

What a word may stand for depends on the words that are held, not on the order in which they came.

>>> words = Vocabulary()
>>> for word in ("hoodie", "headphones", "laufschuhe", "schuhe", "play", "station", "wh1000xm5"): _ = words.number(word)
>>> words.forms("hoodies"), words.starting("headp"), words.starting("wh10"), words.ending("schuhe")
(('hoodie',), ['headphones'], ['wh1000xm5'], ['laufschuhe'])
>>> words.split("playstation"), words.compounds("schuhe")
(('play', 'station'), [])
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from models.text.pinyin import sounds
from models.text.stems import akin, english

#: words that have come last are looked through one by one, up to so many or a 64th of all
UNSORTED: Final = 128
#: shorter beginnings and parts say too little
SHORTEST: Final = 3
#: words that begin or end like the one typed, the first so many of them in order
MOST: Final = 64
#: a form of a word is at most so many letters longer or shorter
FORMS: Final = 4
#: what German and Dutch put between the parts of a word
_LINKS: Final = ("", "s", "n", "es", "en", "er", "e")
_LAST: Final = "\U0010ffff"


class Vocabulary:
    """Words by number, in order of their first; sorted by their beginnings and by their ends."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}
        self._sorted: list[str] = []
        self._reversed: list[str] = []
        self._done = 0
        self._forms: dict[str, tuple[str, ...]] = {}
        self._sounds: dict[str, list[str]] = {}
        self._heard = 0

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def get(self, word: str) -> int:
        """The word's number, -1 for none."""
        return self._numbers.get(word, -1)

    def number(self, word: str) -> int:
        """The word's number, a new one if need be."""
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = len(self.names)
            self.names.append(word)
            self._forms.clear()
        return number

    def terms(self, start: int = 0) -> Iterator[str]:
        """Every word, in order of its first, from the ``start``-th on."""
        return iter(self.names[start:])

    def forms(self, word: str) -> tuple[str, ...]:
        """The other forms of a word that are held, by its English stems; sorted."""
        forms = self._forms.get(word)
        if forms is None:
            stems = english(word)
            near = self._near(word) if stems else []
            forms = self._forms[word] = tuple(sorted(one for one in near if stems & english(one)))
        return forms

    def akin(self, word: str) -> list[str]:
        """The forms of a word that are held, by the stems of other languages; sorted. Words of one or two letters have
        none: all that begin with one letter would be looked through.
        """
        if len(word) < SHORTEST or not word.isalpha():
            return []
        return sorted(one for one in self._near(word) if akin(word, one))

    def starting(self, start: str) -> list[str]:
        """Words that begin so and are longer, at most ``MOST``, the shortest first."""
        return sorted(self.beginning(start), key=lambda one: (len(one), one))[:MOST]

    def beginning(self, start: str) -> list[str]:
        """Words that begin so and are longer, all of them, in no order."""
        found = [one for one in self._range(self._sorted, start, start + _LAST) if len(one) > len(start)]
        return found + [one for one in self.names[self._done :] if one.startswith(start) and len(one) > len(start)]

    def ending(self, end: str) -> list[str]:
        """Words that end so and are longer, at most ``MOST``, the shortest first."""
        back = end[::-1]
        found = [one[::-1] for one in self._range(self._reversed, back, back + _LAST) if len(one) > len(end)]
        found += [one for one in self.names[self._done :] if one.endswith(end) and len(one) > len(end)]
        return sorted(found, key=lambda one: (len(one), one))[:MOST]

    def compounds(self, word: str, sure: bool = False) -> list[str]:
        """Words of which this one is the last part, the first one being a word too (Laufschuhe, Schreibtisch, 平底锅);
        with ``sure`` whatever the first one is.

        >>> words = Vocabulary()
        >>> for one in ("schreibtisch", "schreiben", "schreib", "adjustable", "平底锅"): _ = words.number(one)
        >>> words.compounds("tisch"), words.compounds("table"), words.compounds("锅")
        (['schreibtisch'], [], ['平底锅'])
        """
        if not word.isalpha() or (word.isascii() and len(word) <= SHORTEST):
            return []
        ends = self.ending(word)
        return [one for one in ends if sure or not one.isascii() or self._is_part(one[: -len(word)])]

    def sounding(self, word: str) -> list[str]:
        """Chinese words that are written so in pinyin without tones; sorted.

        >>> words = Vocabulary()
        >>> for one in ("手机", "音乐", "tea"): _ = words.number(one)
        >>> words.sounding("shouji"), words.sounding("yinyue"), words.sounding("tea")
        (['手机'], ['音乐'], [])
        """
        for name in self.names[self._heard :]:
            for sound in sounds(name):
                self._sounds.setdefault(sound, []).append(name)
        self._heard = len(self.names)
        return sorted(self._sounds.get(word, []))

    def split(self, word: str) -> tuple[str, ...]:
        """Two words held that this one is made of, () for none; of several pairs the one with the longest shorter part.

        >>> words = Vocabulary()
        >>> for one in ("lauf", "schuh", "arbeit", "hose"): _ = words.number(one)
        >>> words.split("laufschuhe"), words.split("arbeitshosen")
        (('lauf', 'schuh'), ('arbeit', 'hose'))
        """
        found: list[tuple[int, str, str]] = []
        for at in range(SHORTEST, len(word) - SHORTEST + 1) if word.isalpha() else ():
            front = self._part(word[:at])
            back = self._form(word[at:]) if front else ""
            if back:
                found.append((-min(at, len(word) - at), front, back))
        return min(found)[1:] if found else ()

    def _form(self, word: str) -> str:
        """The word as it is held, or a form of it; "" for none."""
        return word if word in self else next(iter([*self.forms(word), *self.akin(word)]), "")

    def _part(self, front: str) -> str:
        """The word held that is the first part of a compound, with or without what links it; "" for none."""
        bare = (front[: len(front) - len(link)] for link in _LINKS if front.endswith(link))
        return next((one for one in bare if len(one) >= SHORTEST and one in self), "")

    def _is_part(self, front: str) -> bool:
        return bool(self._part(front))

    def _near(self, word: str) -> list[str]:
        """Words that may be forms of this one: they begin alike and are about as long."""
        start = word[: max(len(word) - SHORTEST, min(SHORTEST, len(word) - 1))]
        found = self._range(self._sorted, start, start + _LAST)
        found += [one for one in self.names[self._done :] if one.startswith(start)]
        return [one for one in found if one != word and abs(len(one) - len(word)) <= FORMS and one.isalpha()]

    def _range(self, words: list[str], first: str, last: str) -> list[str]:
        if len(self.names) - self._done > max(UNSORTED, self._done // 64):
            new = self.names[self._done :]
            # lists that are sorted but for their end: Python's sort merges the two
            self._sorted += new
            self._sorted.sort()
            self._reversed += [one[::-1] for one in new]
            self._reversed.sort()
            self._done = len(self.names)
        return words[bisect_left(words, first) : bisect_left(words, last)]
