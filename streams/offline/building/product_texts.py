"""Texts of people who look for a product, in great variety, that the intent head learns from: data/intent/products.csv.

    python -m streams.offline.building.product_texts ONLINE_RETAIL.csv.gz > data/intent/products.csv

They are made of titles of The Complete Journey (a package) and of Online Retail (UCI, CC BY 4.0; a CSV file with the
column ``title``), nouns of jieba's dictionary, words of the encoder's tokenizer, and model numbers made up. Words that
the texts of other intents hold are left out. The same files give the same texts.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from jieba import get_module_res  # type: ignore[import-untyped]

from models.base.artifact import Artifact
from models.text.intent import PRODUCTS
from models.text.tokenizing import SentencePieces
from models.text.words import normalise
from models.training.intent import TRAIN
from streamrank_client.events import Item
from streams.artifacts.opening import artifact_path
from streams.offline.importers import complete_journey
from streams.settings import load

#: texts made of titles, of words, of model numbers, and in Chinese
TITLES: Final = 3_000
WORDS: Final = 3_000
MODELS: Final = 1_200
CHINESE: Final = 4_000
#: a noun of jieba's dictionary is in use if it was counted so often
FREQUENT: Final = 3
#: characters of nouns that no shop sells by
_NOT_SOLD: Final = frozenset("奸淫妓嫖娼尸杀毒暴屄屌贱贼死奴赌罪刑党军政战裸性")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def product_texts(titles: Sequence[str], words: Sequence[str], nouns: Sequence[str]) -> list[tuple[str, str]]:
    """Distinct texts with their language, in an order of their own.

    >>> found = product_texts(["red tea set"], ["prado"], ["帐篷"])
    >>> sorted({language for _, language in found}), ("帐篷", "zh") in found
    (['en', 'zh'], True)
    """
    chance = Random(1)
    of_titles = sorted({word for title in titles for word in re.findall("[a-z]{3,}", title)})
    english = [_part(chance.choice(titles), chance) for _ in range(TITLES)]
    for _ in range(WORDS):
        some = [chance.choice(words) for _ in range(chance.choice((1, 1, 2, 2)))]
        some += chance.choice(([], [], [chance.choice(of_titles)], [str(chance.randrange(1, 20))]))
        english.append(" ".join(some))
    for _ in range(MODELS):
        number = _model(chance)
        english.append(
            chance.choice((number, f"{number} {chance.choice(of_titles)}", f"{chance.choice(words)} {number}"))
        )
    chinese = []
    for _ in range(CHINESE):
        some = [chance.choice(nouns) for _ in range(chance.choice((1, 1, 2, 2, 3)))]
        chinese.append(chance.choice(("", "", "", "", " ")).join(some))
    found = [(text, "en") for text in english] + [(text, "zh") for text in chinese]
    return list(dict.fromkeys(found))


def _part(title: str, chance: Random) -> str:
    """One to four words of a title that stand together."""
    words = title.split()
    count = chance.choice((1, 2, 2, 3, 3, 4))
    start = chance.randrange(max(1, len(words) - count + 1))
    return " ".join(words[start : start + count])


def _model(chance: Random) -> str:
    """A model number: "dy6000", "wh-1000", "205/55"."""
    letters = "".join(chance.choice(_LETTERS) for _ in range(chance.choice((1, 2, 2, 3))))
    digits = str(chance.randrange(10 ** chance.choice((1, 2, 3, 3, 4))))
    more = f"{digits}/{chance.randrange(99)}"
    return chance.choice(
        (letters + digits, f"{letters}-{digits}", f"{letters} {digits}", digits + letters, digits, more)
    )


def _titles(retail: Path) -> list[str]:
    with gzip.open(retail, "rt", encoding="utf-8", newline="") as file:
        found = [row["title"].lower() for row in csv.DictReader(file)]
    for event in complete_journey.events(weeks=complete_journey.enough_weeks()):
        if isinstance(event, Item):
            parts = [part.strip().lower() for part in event.title.split(",")]
            found.append(" ".join(part for part in parts if part not in ("national", "private")))
    return sorted({title for title in found if title})


def _nouns(other: str) -> list[str]:
    with get_module_res("dict.txt") as file:
        lines = [line.decode().split() for line in file]
    return [
        word
        for word, count, kind in lines
        if kind in ("n", "nz")
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
    words = SentencePieces(Artifact.load(artifact_path(load(), "encoder")).file("sp.model")).words()
    known = sorted({word for word in words if re.fullmatch("[a-z]{4,}", word)} - set(re.findall("[a-z]+", other)))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("text", "intent", "language"))
    for text, language in product_texts(_titles(retail), known, _nouns(other)):
        if normalise(text):
            writer.writerow((text, "product_search", language))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
