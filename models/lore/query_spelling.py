"""A query that nobody asked before, but for a slip of the finger: which known query it should be.

Texts are compared without spaces and punctuation (``modernwarfare 3``, ``assassin's creed``), by the restricted
Damerau-Levenshtein distance: one edit from 2 characters on, two from 8. Known texts are sifted by the set of
characters that they hold, 64 bits a text: an edit changes at most two of them. That takes one pass over all texts
(50,000: 0.1 ms, where rapidfuzz compares them all in 5; 17 bytes each), so nothing has to be indexed. Of those left,
the twenty that share the most pairs of characters are compared letter by letter.

Whole queries may be corrected where words may not: in a short name or a number (``fofa 12``, ``m3w``). What is
another product is never put for what was typed: another digit, one digit fewer, another single letter (``xbox 360
s``, ``vitamin c``), another Chinese character.

>>> texts = SpeltTexts()
>>> for row, text in enumerate(("fifa 12", "modern warfare 3", "mw3", "小米手机", "fifa 11")):
...     texts.put(row, text)
>>> [texts.near(text) for text in ("fofa 12", "modernwarfare3", "m3w", "小米手 机", "mw2", "小米手表", "fifa 1")]
[[(1, 0)], [(0, 1)], [(1, 2)], [(0, 3)], [], [], [(1, 0), (1, 4)]]
"""

from __future__ import annotations

import re
from itertools import pairwise, zip_longest
from typing import Final

import numpy as np
from rapidfuzz.distance import OSA

from models.lore.spelling import LONG

#: shorter texts have too many neighbours
SHORTEST: Final = 2
#: longer ones are sentences, of which no two are alike
LONGEST: Final = 120
#: an edit changes at most so many bits of the letters, and of the pairs (two swapped: three pairs go, three come)
LETTERS: Final = 2
PAIRS: Final = 6
#: most texts that are compared letter by letter
COMPARED: Final = 20
_FREE: Final = 255


class SpeltTexts:
    """Known texts by row, found again in spite of one or two edits."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._letters, self._pairs = np.zeros(64, np.uint64), np.zeros(64, np.uint64)
        self._lengths = np.full(64, _FREE, np.uint8)

    def put(self, row: int, text: str) -> None:
        """Store or replace the normalised text of a row; rows are taken in order, without a gap."""
        letters = squeezed(text)
        if row == len(self._texts):
            self._texts.append(letters)
            if row == len(self._letters):
                self._letters = np.concatenate([self._letters, np.zeros_like(self._letters)])
                self._pairs = np.concatenate([self._pairs, np.zeros_like(self._pairs)])
                self._lengths = np.concatenate([self._lengths, np.full_like(self._lengths, _FREE)])
        self._texts[row] = letters
        self._letters[row], self._pairs[row] = _letters(letters), _pairs(letters)
        self._lengths[row] = len(letters) if SHORTEST <= len(letters) <= LONGEST else _FREE

    def near(self, text: str) -> list[tuple[int, int]]:
        """(edits, row) of every text that may have been meant, in ascending order; none for one too short or long."""
        typed = squeezed(text)
        if not SHORTEST <= len(typed) <= LONGEST:
            return []
        most = 2 if len(typed) >= LONG else 1
        n = len(self._texts)
        # unsigned: a length that is too small wraps round to a large one
        close = (self._lengths[:n] - np.uint8(len(typed) - most)) <= 2 * most
        close &= np.bitwise_count(self._letters[:n] ^ np.uint64(_letters(typed))) <= LETTERS * most
        rows = np.flatnonzero(close)
        apart = np.bitwise_count(self._pairs[rows] ^ np.uint64(_pairs(typed)))
        few = np.flatnonzero(apart <= PAIRS * most)
        # sorted by what they are, not by where they stand: every worker compares the same ones
        likely = sorted(
            zip(apart[few].tolist(), (self._texts[row] for row in rows[few]), rows[few].tolist(), strict=True)
        )
        meant = []
        for _, other, row in likely[:COMPARED]:
            edits = OSA.distance(typed, other, score_cutoff=most)
            if edits <= most and (not edits or may_be(text, typed, other)):
                meant.append((edits, row))
        return sorted(meant)


def squeezed(text: str) -> str:
    """A normalised text's letters and digits alone.

    >>> squeezed("assassin's creed 2")
    'assassinscreed2'
    """
    return "".join(filter(str.isalnum, text))


def may_be(text: str, typed: str, other: str) -> bool:
    """Whether ``text``, squeezed ``typed``, may be a slip for the squeezed ``other``, and not another product's name.

    >>> [may_be("fifa 12", "fifa12", other) for other in ("fifa13", "fifa21", "fifa112", "fifa1", "fofa12")]
    [False, True, True, False, True]
    >>> may_be("xbox 360 s", "xbox360s", "xbox360e"), may_be("红茶", "红茶", "绿茶")
    (False, False)
    """
    if typed == other:
        return True
    lost, new = _difference(typed, other)
    if any(_han(one) for one in lost + new) and sorted(lost) != sorted(new):
        # a character forgotten at the end of a long name, nothing else
        return not lost and len(new) == 1 and len(typed) >= LONG // 2
    digits, meant_digits = _digits(lost), _digits(new)
    if digits != meant_digits and digits:
        return False
    return not (len(lost) == 1 and re.search(rf"(?<![^\W_]){re.escape(lost)}(?![^\W_])", text) and len(typed) > 1)


def _difference(typed: str, other: str) -> tuple[str, str]:
    """What is between the equal beginnings and ends of two texts."""
    start = 0
    for here, there in zip_longest(typed, other):
        if here != there:
            break
        start += 1
    end = 0
    while end < min(len(typed), len(other)) - start and typed[-1 - end] == other[-1 - end]:
        end += 1
    return typed[start : len(typed) - end], other[start : len(other) - end]


def _digits(text: str) -> list[str]:
    return sorted(filter(str.isdigit, text))


def _han(one: str) -> bool:
    return "\u3400" <= one <= "\u9fff"


def _letters(text: str) -> int:
    """Two bits for each of a to z, for one and for a second of them, one for each digit, two for all others."""
    bits = 0
    for one in text:
        code = ord(one)
        if 97 <= code <= 122:
            bit = 1 << (code - 97)
            bits |= bit << 26 if bits & bit else bit
        elif 48 <= code <= 57:
            bits |= 1 << (code + 4)
        else:
            bits |= 1 << (62 + code % 2)
    return bits


def _pairs(text: str) -> int:
    """A bit of 64 for each two characters side by side."""
    bits = 0
    for one, two in pairwise(text):
        bits |= 1 << ((ord(one) * 31 + ord(two) * 17) & 63)
    return bits
