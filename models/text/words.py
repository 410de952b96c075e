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
from typing import Any, Protocol, cast

from models.base.errors import TextError
from models.base.paths import DATA
from models.text.stopwords import STOP_WORDS
from models.text.units import join_units

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
        text = unicodedata.normalize("NFKC", text).casefold().translate(_simplified())
        # Once more: case folding can leave sequences that compose.
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return " ".join(_CONTROL.sub(" ", text.lower()).split())


class _Cutter(Protocol):
    def lcut_for_search(self, sentence: str, HMM: bool = True) -> list[str]: ...


class Words:
    """Cuts texts into tokens. ``load`` reads jieba's dictionary once (about a second, 100 MB)."""

    def __init__(self, cutter: _Cutter) -> None:
        self._cutter = cutter

    @classmethod
    def load(cls) -> Words:
        """With jieba's dictionary, which the process holds once: cutting reads it only."""
        return cls(_jieba())

    def tokens(self, text: str) -> list[str]:
        """Tokens of a text in their order; stop words go unless nothing else would remain.

        >>> words = Words.load()
        >>> words.tokens("有什么优惠的咖啡")
        ['优惠', '咖啡']
        >>> words.tokens("Red Cocktail Dresses, 500 ML of wh-1000XM4")
        ['red', 'cocktail', 'dress', '500ml', 'wh1000xm4']
        >>> words.tokens("the")
        ['the']
        """
        found = self._all(join_units(normalise(text)))
        kept = [token for token in found if token not in STOP_WORDS]
        return kept or found

    def _all(self, text: str) -> list[str]:
        found: list[str] = []
        for match in _PIECES.finditer(text):
            piece = match.group()
            if match.lastgroup == "han":
                # No HMM: it cuts the same unknown name differently in a title and in a query.
                found.extend(self._cutter.lcut_for_search(piece, HMM=False))
            else:
                found.extend(_latin(piece))
        return found


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
    if word.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")) and word not in _KEEP_E:
        return word[:-2]
    return word if word.endswith(("us", "ss", "is")) else word[:-1]


def _latin(piece: str) -> list[str]:
    """Tokens of a run without Chinese characters: model numbers joined, words split at the hyphen.

    >>> _latin("wh-1000xm4"), _latin("long-sleeve"), _latin("t-shirts"), _latin("kellogg's"), _latin("1.5l")
    (['wh1000xm4'], ['long', 'sleeve'], ['tshirt'], ['kellogg'], ['1.5l'])
    """
    if piece.isalnum():
        return [singular(piece)]
    if piece.endswith(("'s", "’s")):
        piece = piece[:-2]
    piece = piece.replace("'", "").replace("’", "")
    parts = piece.split("-")
    model = any(part.isdigit() or not part.isalpha() for part in parts) and not all(part.isdigit() for part in parts)
    if model or any(len(part) == 1 for part in parts):
        return [singular("".join(parts))]
    return [singular(part) for part in parts]


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
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise TextError(
            f"data/words/{path.name} cannot be read: {error.strerror}.",
            "restore it from git, or install streamrank again.",
        ) from error
    return {ord(line[0]): line[2] for line in lines if not line.startswith("#")}


_KEEP_E = frozenset({"shoes", "toes", "axes"})
_LETTERS = re.compile(r"(?<![^\W_\u3400-\u9fff])[a-z]+(?![^\W_\u3400-\u9fff])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_WORD = rf"[^\W_{_HAN}]"
_PIECES = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<word>\d+\.\d+{_WORD}*|{_WORD}+(?:['’-]{_WORD}+)*)")
