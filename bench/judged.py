"""Searches whose items people judged: CrowdFlower's ratings, and Chinese choices of one title in four."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from streamrank_client.errors import LogError
from streamrank_client.events import Item

CROWDFLOWER: Final = "crowdflower_half.csv.gz"
CHOICES: Final = "zh_select_half.jsonl.gz"
#: A query is tested if so many items were rated for it.
RATED: Final = 8
#: Time of all items: any will do.
NOW: Final = 1_700_000_000_000


@dataclass(frozen=True)
class Judged:
    """A catalogue, and each query with what its judged items gain, by their ids."""

    items: Sequence[Item]
    queries: Sequence[tuple[str, Mapping[str, float]]]


class _Choice(msgspec.Struct, frozen=True):
    query: str
    candidates: list[str]
    right: str


def crowdflower(folder: Path) -> Judged:
    """CrowdFlower's queries with enough rated items; a rating of 1 to 4 gains 2^(rating - 1) - 1.

    Raises LogError on a file of another form.
    """
    items: dict[str, Item] = {}
    ratings: dict[str, dict[str, float]] = {}
    path = folder / CROWDFLOWER
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = row["product_id"]
                items[name] = Item(time=NOW, item_id=name, title=row["title"], description=row["description"])
                ratings.setdefault(row["query"], {})[name] = 2.0 ** (float(row["relevance"]) - 1) - 1
    except (OSError, KeyError, ValueError) as error:
        said = "columns query, product_id, title, description, relevance"
        raise LogError(f"'{path}': expected {said}; found {error!r}: name the folder of that file") from error
    enough = [(query, rated) for query, rated in ratings.items() if len(rated) >= RATED and max(rated.values()) > 0]
    return Judged(list(items.values()), enough)


def choices(folder: Path) -> Judged:
    """Chinese queries with four titles each, one of which gains 1. Raises LogError on a file of another form."""
    path = folder / CHOICES
    try:
        with gzip.open(path, "rb") as file:
            rows = [msgspec.json.decode(line, type=_Choice) for line in file]
    except (OSError, msgspec.DecodeError) as error:
        said = "lines with query, candidates and right"
        raise LogError(f"'{path}': expected {said}; found {error!r}: name the folder of that file") from error
    names = {title: f"t{n}" for n, title in enumerate(dict.fromkeys(t for row in rows for t in row.candidates))}
    queries = [(row.query, {names[title]: float(title == row.right) for title in row.candidates}) for row in rows]
    return Judged([Item(time=NOW, item_id=name, title=title) for title, name in names.items()], queries)
