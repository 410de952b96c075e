"""Words of a text, Chinese and English: folded, cut, freed of stop words, units kept with their numbers.

``normalise`` is what every text goes through before it is compared, cached or encoded. ``Words.tokens``
cuts it for the lexical index and the query side alike, so that both always agree.
"""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

from models.base.errors import TextError
from models.base.paths import DATA, data_lines
from models.text.stopwords import STOP_WORDS
from models.text.units import is_measure, join_units

#: more parts are no model number that anybody types
MOST_PARTS: Final = 6
TRADITIONAL = DATA / "words" / "traditional.tsv"


def normalise(text: str) -> str:
    """Fold a text: NFKC, lower case, simplified characters, no control characters, single spaces.

    >>> normalise("  ＸＩＡＯＭＩ　小米10 手機\\t１２８ＧＢ\\u200b ")
    'xiaomi 小米10 手机 128gb'

    Raises ``TextError`` when ``text`` is not a string.
    """
    if not isinstance(text, str):
        raise TextError(f"text is {type(text).__name__}, not a string.", "send the text as a JSON string.")
    if not text.isascii():
        # Signs of trade marks are letters to NFKC: Kevlar™ would become kevlartm.
        text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).casefold().translate(_simplified())
        # Once more: case folding can leave sequences that compose.
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return " ".join(_CONTROL.sub(" ", text.lower()).split())


def bare(text: str) -> str:
    """A normalised text as words are compared: without accents and points, each letter its plain one.

    >>> bare("fjällräven żubrówka smørrebrød l'oréal が")
    "fjallraven zubrowka smorrebrod l'oreal が"
    """
    if text.isascii():
        return text
    letters = _MARKS.sub("", unicodedata.normalize("NFD", text)).translate(_PLAIN)
    return unicodedata.normalize("NFC", letters)


def squeezed(text: str) -> str:
    """A text's letters and digits alone, folded: how whole titles and identifiers are compared.

    >>> squeezed("FDB-5220"), squeezed("Fjällräven Kånken™ ")
    ('fdb5220', 'fjallravenkanken')
    """
    return "".join(filter(str.isalnum, bare(normalise(text))))


class Word(NamedTuple):
    """One word of a text: ``text``, its surface, joined; ``parts``: what it is made of, itself alone where that is
    nothing; ``grams``: whether these are overlapping pairs of characters.
    """

    text: str
    parts: tuple[str, ...]
    grams: bool = False

    @property
    def stop(self) -> bool:
        """Whether it says nothing about a product."""
        return self.text in STOP_WORDS

    @property
    def exact(self) -> bool:
        """Whether it is a number or a model, which another one is not like."""
        return any(map(str.isdigit, self.text))

    @property
    def terms(self) -> tuple[str, ...]:
        """All by which a text is found that holds the word.

        >>> Word("wh1000xm5", ("wh", "1000", "xm", "5")).terms[-4:]
        ('1000xm', '1000xm5', 'xm5', 'wh1000xm5')
        >>> Word("longsleeve", ("long", "sleeve")).terms, Word("tea", ("tea",)).terms
        (('long', 'sleeve', 'longsleeve'), ('tea',))
        """
        if len(self.parts) == 1:
            return (self.text,)
        if self.grams or not self.exact:
            return (*self.parts, self.text)
        n = len(self.parts)
        joined = ("".join(self.parts[a:b]) for a in range(n - 1) for b in range(a + 2, n + 1) if b - a < n)
        return (*self.parts, *joined, self.text)


class _Cutter(Protocol):
    def lcut_for_search(self, sentence: str, HMM: bool = True) -> list[str]: ...


class Words:
    """Cuts texts into words. ``load`` reads jieba's dictionary once (about a second, 100 MB)."""

    def __init__(self, cutter: _Cutter) -> None:
        self._cutter = cutter

    @classmethod
    def load(cls) -> Words:
        """With jieba's dictionary, which the process holds once: cutting reads it only."""
        return cls(_jieba())

    def read(self, text: str) -> list[Word]:
        """All words of a text in their order, stop words too, as they stand in it.

        >>> words = Words.load()
        >>> [word.text for word in words.read("The Who: 2 Dresses, WH-1000XM5, 5/8 in, 노트북")]
        ['the', 'who', '2', 'dresses', 'wh1000xm5', '5/8inch', '노트북']
        >>> words.read("노트북")[0].parts, words.read("iPhone15")[0].parts
        (('노트', '트북'), ('iphone', '15'))
        """
        found: list[Word] = []
        for match in _PIECES.finditer(join_units(bare(normalise(text)))):
            piece = match.group()
            if match.lastgroup == "han":
                # No HMM: it cuts the same unknown name differently in a title and in a query.
                found.extend(Word(one, (one,)) for one in self._cutter.lcut_for_search(piece, HMM=False))
            elif match.lastgroup == "grams":
                pairs = tuple(piece[n : n + 2] for n in range(len(piece) - 1))
                found.append(Word(piece, pairs if len(pairs) > 1 else (piece,), len(pairs) > 1))
            else:
                found.append(_run(piece))
        return found

    def tokens(self, text: str) -> list[str]:
        """Words of a text by their name: in the singular; stop words go unless nothing else would remain.

        >>> words = Words.load()
        >>> words.tokens("有什么优惠的咖啡")
        ['优惠', '咖啡']
        >>> words.tokens("Red Cocktail Dresses, 500 ML of wh-1000XM4")
        ['red', 'cocktail', 'dress', '500ml', 'wh1000xm4']
        >>> words.tokens("the"), words.tokens("long-sleeve t-shirts")
        (['the'], ['long', 'sleeve', 'tshirt'])
        """
        found: list[str] = []
        for word in self.read(text):
            apart = not (word.exact or word.grams or any(len(part) == 1 for part in word.parts))
            found.extend(map(singular, word.parts if apart else (word.text,)))
        return [token for token in found if token not in STOP_WORDS] or found


def replace_words(text: str, changes: Mapping[str, str]) -> str:
    """A normalised text with its English words replaced, where ``changes`` holds the token that a word becomes.

    >>> replace_words("assasins creed 2手柄", {"assasin": "assassin"})
    'assassin creed 2手柄'
    """
    return _LETTERS.sub(lambda match: changes.get(singular(match.group()), match.group()), text)


def singular(word: str) -> str:
    """An English plural's singular, by Harman's S-stemmer (JASIS 42, 1991) with the -es rules of a shop.

    >>> [singular(w) for w in ("batteries", "dresses", "phones", "shoes", "tomatoes", "glass", "bus", "8s")]
    ['battery', 'dress', 'phone', 'shoe', 'tomato', 'glass', 'bus', '8s']
    """
    if len(word) < 4 or not word.endswith("s") or not word.isalpha() or not word.isascii():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith("uses") and word[:-2] in _ENDS_IN_US:
        return word[:-2]
    if word.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")) and word not in _KEEP_E:
        return word[:-2]
    return word if word.endswith(("us", "ss", "is")) else word[:-1]


def _run(piece: str) -> Word:
    """The word of a run without Chinese characters: a model's letters and numbers are its parts, so are hyphenated
    words and what stands before an apostrophe; a number with its unit is one.

    >>> [_run(piece).parts for piece in ("wh-1000xm4", "long-sleeve", "kellogg's", "l'oreal", "205/55", "1.5l")]
    [('wh', '1000', 'xm', '4'), ('long', 'sleeve'), ('kellogg',), ('l', 'oreal'), ('205', '55'), ('1.5l',)]
    """
    if piece.endswith(("'s", "’s")):
        piece = piece[:-2]
    if piece.isalpha() or is_measure(piece) or _FRACTION.fullmatch(piece):
        return Word(piece, (piece,))
    parts = tuple(part for some in _JOINTS.split(piece) for part in _measured(some))
    text = "".join(_JOINTS.split(piece))
    return Word(text, parts if 1 < len(parts) <= MOST_PARTS else (text,))


def _measured(piece: str) -> list[str]:
    """What a piece without hyphens is made of: letters and numbers apart, but for a number with its unit.

    >>> _measured("1000xm5"), _measured("8inch"), _measured("r16")
    (['1000', 'xm', '5'], ['8inch'], ['r', '16'])
    """
    return [piece] if is_measure(piece) else _ATOMS.findall(piece)


@cache
def _jieba() -> _Cutter:
    """Read jieba's dictionary, without its log lines and without its cache file in the temporary folder.

    The cache is a marshal file that any local user could plant; building the table anew costs little.
    """
    with warnings.catch_warnings():
        # Its regular expressions have escapes that newer Pythons warn about on standard error.
        warnings.simplefilter("ignore")
        import jieba  # type: ignore[import-untyped]
    jieba.setLogLevel(logging.WARNING)
    cutter: Any = jieba.Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cast(_Cutter, cutter)


@cache
def _simplified(path: Path = TRADITIONAL) -> dict[int, str]:
    """Code point of a traditional character -> its simplified one; raises ``TextError`` if unreadable."""
    return {ord(line[0]): line[2] for line in data_lines(path)}


_KEEP_E = frozenset({"shoes", "toes", "axes"})
_ENDS_IN_US = frozenset(
    {"bus", "virus", "bonus", "cactus", "octopus", "campus", "census", "chorus", "circus", "genius"}
)
_LETTERS = re.compile(r"(?<![^\W_\u3400-\u9fff])[a-z]+(?![^\W_\u3400-\u9fff])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_SIGNS: Final = dict.fromkeys(map(ord, "™®©℠℗"), " ")
#: accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic ones
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670]")
#: letters that Unicode does not take apart
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
#: scripts that write words in a row, or join them as they like: kana, hangul, Thai, Lao, Khmer, Burmese
_GRAMS = "\u3040-\u30ff\u31f0-\u31ff\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
#: with the vowel signs of Indic scripts, which are no letters to Python
_WORD = rf"(?:[^\W_{_HAN}{_GRAMS}]|[\u0900-\u0963\u0966-\u0dff])"
_PIECES = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<grams>[{_GRAMS}]+)"
    rf"|(?P<word>\d+(?:[/.]\d+)+{_WORD}*(?:['’-]{_WORD}+)*|{_WORD}+(?:['’-]{_WORD}+)*)"
)
_JOINTS = re.compile(r"['’/-]")
_ATOMS = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")
_FRACTION = re.compile(r"\d{1,2}/\d{1,2}")
