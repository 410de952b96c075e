"""Texts of people who look for a product, in great variety, that the intent head learns from: data/intent/products.csv.

    python -m streams.offline.building.product_texts ONLINE_RETAIL.csv.gz > data/intent/products.csv

They are made of titles of The Complete Journey (a package) and of Online Retail (UCI, CC BY 4.0; a CSV file with the
column ``title``), names and nouns of jieba's dictionary, words of the encoder's tokenizer, and model numbers made up.
Words that the texts of other intents hold are left out. The same files give the same texts.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from jieba import get_module_res  # type: ignore[import-untyped]

from models.base.artifact import Artifact
from models.text.intent import PRODUCTS
from models.text.stopwords import STOP_WORDS
from models.text.tokenizing import PIECES
from models.text.words import normalise
from models.training.intent_data import TRAIN
from streamrank_client.events import Item
from streams.artifacts.opening import artifact_path
from streams.offline.importers import complete_journey
from streams.settings import load

#: texts made of parts of titles, of words, of model numbers, and in Chinese
TITLES: Final = 3_000
WORDS: Final = 3_500
MODELS: Final = 1_000
CHINESE: Final = 5_000
#: a word of jieba's dictionary is in use if it was counted so often
FREQUENT: Final = 3
#: kinds of words there: nouns, and names of things, people and places
NOUNS: Final = frozenset(("n", "nz"))
NAMES: Final = frozenset(("nr", "nrt", "ns", "nz"))
#: characters of words that no shop sells by
_NOT_SOLD: Final = frozenset("奸淫妓嫖娼尸杀毒暴屄屌贱贼死奴赌罪刑党军政战裸性")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
#: How names of works, sets and kinds of a thing are put together.
_NAMED: Final = (
    "{0}", "{0}", "{0}", "{0} {1}", "{0} {1}", "{0} {1}", "{0} {1} {2}", "{0} {n}", "{0} {1} {n}", "the {0}",
    "{0} of {1}", "{0} of the {1}", "{0} and {1}", "{0} in the {1}", "{0} for {1}", "{0} {1} edition", "{0} with {1}",
)  # fmt: skip
_ABOUT: Final = (
    "儿童",
    "家用",
    "新款",
    "大号",
    "男",
    "女",
    "配件",
    "套装",
    "专用",
    "加厚",
    "迷你",
    "便携式",
    "全自动",
    "进口",
)


class Sources(NamedTuple):
    """What texts are made of: titles of products, words that are no other intent's, Chinese nouns and names."""

    titles: Sequence[str]
    words: Sequence[str]
    nouns: Sequence[str]
    names: Sequence[str]


def product_texts(sources: Sources) -> list[tuple[str, str]]:
    """Distinct texts with their language, in an order of their own.

    >>> found = product_texts(Sources(["red tea set"], ["prado"], ["帐篷"], ["海尔"]))
    >>> sorted({language for _, language in found}), ("帐篷", "zh") in found
    (['en', 'zh'], True)
    """
    chance = Random(1)
    of_titles = sorted({word for title in sources.titles for word in re.findall("[a-z]{3,}", title)} - STOP_WORDS)
    english = [_part(chance.choice(sources.titles), chance) for _ in range(TITLES)]
    for _ in range(WORDS):
        some = [chance.choice(sources.words) for _ in range(3)]
        some[1] = chance.choice((some[1], some[1], chance.choice(of_titles)))
        english.append(chance.choice(_NAMED).format(*some, n=chance.randrange(1, 2030)))
    for _ in range(MODELS):
        number = _model(chance)
        forms = (number, f"{number} {chance.choice(of_titles)}", f"{chance.choice(sources.words)} {number}")
        english.append(chance.choice(forms))
    chinese = [_chinese(sources, chance) for _ in range(CHINESE)]
    found = [(text, "en") for text in english if _says_something(text)] + [(text, "zh") for text in chinese]
    return list(dict.fromkeys(found))


def _part(title: str, chance: Random) -> str:
    """One to four words of a title that stand together, and that no stop word begins or ends."""
    words = title.split()
    count = chance.choice((1, 2, 2, 3, 3, 4))
    start = chance.randrange(max(1, len(words) - count + 1))
    some = words[start : start + count]
    while some and some[-1].strip(".,&-/") in STOP_WORDS | {""}:
        some.pop()
    while some and some[0].strip(".,&-/") in STOP_WORDS | {""}:
        some.pop(0)
    return " ".join(some).strip(",")


def _says_something(text: str) -> bool:
    """Whether it holds a word of three letters, or letters with digits or two numbers, as models do."""
    return bool(re.search("[a-z]{3,}", text) or re.search(r"[a-z].*\d{2,}|\d{2,}.*[a-z]|\d{2,}.\d{2,}|\d{4,}", text))


def _model(chance: Random) -> str:
    """A model number: "dy6000", "wh-1000", "205/55"."""
    letters = "".join(chance.choice(_LETTERS) for _ in range(chance.choice((1, 2, 2, 3))))
    digits = str(chance.randrange(10 ** chance.choice((1, 2, 3, 3, 4, 7))))
    more = f"{digits}/{chance.randrange(99)}"
    return chance.choice(
        (letters + digits, f"{letters}-{digits}", f"{letters} {digits}", digits + letters, digits, more)
    )


def _chinese(sources: Sources, chance: Random) -> str:
    """Some nouns, perhaps a name, a foreign word or a number before and a kind with them."""
    some = [chance.choice(sources.nouns) for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4)))]
    start = chance.choice(("", "", "", "name", "name", "word", "number"))
    if start == "name":
        some = [chance.choice(sources.names), *some[: chance.choice((0, 1, 2))]]
    elif start:
        some.insert(0, chance.choice(sources.words) if start == "word" else _model(chance))
    if chance.random() < 0.2:
        some.insert(chance.randrange(len(some) + 1), chance.choice(_ABOUT))
    return chance.choice(("", "", "", "", " ")).join(some)


def _titles(retail: Path) -> list[str]:
    with gzip.open(retail, "rt", encoding="utf-8", newline="") as file:
        found = [row["title"].lower() for row in csv.DictReader(file)]
    for event in complete_journey.events(weeks=complete_journey.enough_weeks()):
        if isinstance(event, Item):
            parts = [part.strip().lower() for part in event.title.split(",")]
            found.append(" ".join(part for part in parts if part not in ("national", "private")))
    return sorted({title for title in found if title})


def _words(pieces: Path) -> set[str]:
    """The whole words of three letters or more in a SentencePiece model, in small letters.

    A piece is stored as its text, of which a whole word's begins with a block, and the tag of its score.
    """
    return {word.decode().lower() for word in re.findall(rb"\xe2\x96\x81([A-Za-z]{3,})\x15", pieces.read_bytes())}


def _dictionary(kinds: Collection[str], other: str) -> list[str]:
    """Words of some kinds of jieba's dictionary that the texts of ``other`` intents do not hold."""
    with get_module_res("dict.txt") as file:
        lines = [line.decode().split() for line in file]
    return [
        word
        for word, count, kind in lines
        if kind in kinds
        and 2 <= len(word) <= 5
        and int(count) >= FREQUENT
        and word not in other
        and not _NOT_SOLD & set(word)
    ]


def main(retail: Path) -> None:
    """Write the texts to standard output as labelled texts."""
    with TRAIN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    other = " ".join(normalise(row["text"]) for row in rows if row["intent"] not in PRODUCTS)
    theirs = set(re.findall("[a-z]+", other)) | STOP_WORDS
    words = sorted(_words(Artifact.load(artifact_path(load(), "intent-encoder")).file(PIECES)) - theirs)
    sources = Sources(_titles(retail), words, _dictionary(NOUNS, other), _dictionary(NAMES, other))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("text", "intent", "language"))
    for text, language in product_texts(sources):
        if normalise(text):
            writer.writerow((text, "product_search", language))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
