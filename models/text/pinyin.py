"""How Chinese words are written in pinyin, without tones and spaces."""

from __future__ import annotations

from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Final

from models.base.paths import DATA, data_lines

PINYIN: Final = DATA / "words" / "pinyin.tsv"
#: longer words, and those with more readings, are typed in part only
LONGEST: Final = 6
READINGS: Final = 8


def sounds(word: str) -> list[str]:
    """The readings of a Chinese word of at most six characters; none for others.

    >>> sounds("奶茶"), sounds("音乐"), sounds("tea")
    (['naicha'], ['yinle', 'yinyue'], [])
    """
    if word.isascii() or len(word) > LONGEST:
        return []
    table = _readings()
    syllables = [table.get(character, ()) for character in word]
    if prod(map(len, syllables)) > READINGS:
        syllables = [some[:1] for some in syllables]
    return ["".join(one) for one in product(*syllables)]


@cache
def _readings(path: Path = PINYIN) -> dict[str, tuple[str, ...]]:
    """Character -> its syllables, the usual one first; raises ``TextError`` if unreadable."""
    return {line[0]: tuple(line[2:].split()) for line in data_lines(path)}
