"""Whether two words are one in another form: stems of Snowball (Porter, 1980 and 2001), and what they leave out.

Stems are compared, never shown and never stored: an item's words stand as they were written.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

import Stemmer  # type: ignore[import-not-found]

ENGLISH: Final = "english"
#: Looked at where English finds nothing: their rules join words that English keeps apart (pasta, paste).
OTHERS: Final = (
    "german", "dutch", "french", "spanish", "italian", "portuguese", "swedish", "danish", "norwegian", "polish",
    "russian", "turkish", "finnish", "czech", "hungarian", "romanian",
)  # fmt: skip
#: letters of a stem that two forms of a word share
STEM: Final = 4
_IRREGULAR: Final = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "teeth": "tooth", "mice": "mouse",
    "geese": "goose", "people": "person",
}  # fmt: skip
_AFTER_ES: Final = ("s", "z", "x", "ch", "sh", "o")


@lru_cache(1 << 16)
def english(word: str) -> frozenset[str]:
    """The stems that an English word may have, for words of letters; none for others.

    >>> [bool(english(a) & english(b)) for a, b in (("hoodies", "hoodie"), ("buses", "bus"), ("knives", "knife"))]
    [True, True, True]
    >>> bool(english("capes") & english("cap")), bool(english("pasta") & english("paste"))
    (False, False)
    """
    if len(word) < 3 or not word.isalpha():
        return frozenset()
    forms = [word]
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    elif word.endswith("ves"):
        forms += [word[:-3] + "f", word[:-3] + "fe"]
    elif word.endswith("es") and word[:-2].endswith(_AFTER_ES) and len(word) > 4:
        forms.append(word[:-2])
    return frozenset(_stemmer(ENGLISH).stemWords(forms))


def akin(word: str, other: str) -> bool:
    """Whether two words have one stem in some language other than English. One of three letters says too little,
    unless the one word begins the other: in Hungarian, "cola" would be a form of "cold".

    >>> akin("hosen", "hose"), akin("bucher", "buch"), akin("lampe", "lamm"), akin("cola", "cold")
    (True, True, False, False)
    """
    least = 1 if word.startswith(other) or other.startswith(word) else STEM
    stems, others = _stems(word), _stems(other)
    return any(one == another and len(one) >= least for one, another in zip(stems, others, strict=True))


@lru_cache(1 << 14)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(_stemmer(language).stemWord(word) for language in OTHERS)


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(language)
