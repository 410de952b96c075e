"""Queries of real shops, all of people who look for a product: how many are taken for something else, or not at all.

Each is understood as by a worker: one that knows nothing yet, one that holds the shop's titles, and one that also knows
what was searched before. Nothing of these sets was learnt from.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from models.ask import AskedText
from models.items.catalogue import Catalogue
from models.lore.known_queries import KnownQuery
from models.lore.query_lore import QueryLore
from models.serving import Models
from models.text.intent import PRODUCTS, UNKNOWN
from models.text.words import normalise
from streamrank_client.events import Item, Query, encode
from streamrank_client.vocabulary import key
from streams.artifacts import records
from streams.artifacts.opening import open_models
from streams.artifacts.tables import Tables
from streams.handlers.catalogue import on_items
from streams.handlers.steps import run_on
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.importers.best_buy import events
from streams.policy.deployment import Deployment
from streams.settings import load
from streams.wire.messages import Record

#: the most frequent queries of Best Buy that are asked
MOST: Final = 1_000
#: labels that are right, or say nothing
RIGHT: Final = (*PRODUCTS, UNKNOWN)


class Taken(NamedTuple):
    """How many texts there are, and the shares of them that are taken for something else and for nothing."""

    texts: int
    other: float
    unknown: float


def measure(data: Path, say: Callable[[str], None]) -> dict[str, Taken]:
    """Shares by set and by what the worker knows; ``data`` holds ``search_relevance/`` and ``bestbuy_acm/``."""
    settings = load()
    ensure_encoders(settings)
    bare = open_models(settings)
    chinese = chinese_queries(data)
    say("zh_shop_queries: nothing known")
    found = {"zh_shop_queries": taken(bare, chinese)}
    say("zh_shop_queries: 861 titles of the same market")
    found["zh_shop_queries, titles"] = taken(holding(bare, chinese_titles(data)), chinese)
    titles, asked = best_buy(data)
    say("best buy: nothing known")
    found["best_buy"] = taken(bare, most_frequent(asked))
    say("best buy: its titles")
    shop = holding(bare, titles)
    found["best_buy, titles"] = taken(shop, most_frequent(asked))
    say("best buy: its titles, and the first half of its queries")
    half = len(asked) // 2
    later = most_frequent(asked[half:])
    found["best_buy, second half"] = taken(bare, later)
    found["best_buy, second half, titles and queries before"] = taken(knowing(shop, asked[:half]), later)
    return found


def table(figures: dict[str, Taken]) -> list[str]:
    """The figures as lines."""
    return [
        f"{name}: {one.texts} texts, {one.other:.2%} taken for something else, {one.unknown:.2%} unknown"
        for name, one in figures.items()
    ]


def taken(models: Models, texts: Sequence[str]) -> Taken:
    """What queries that look for products are taken for."""
    labels = [text.meant[0] if text.meant else UNKNOWN for text in models.understand([AskedText(t) for t in texts])]
    other = sum(label not in RIGHT for label in labels)
    return Taken(len(texts), round(other / len(texts), 4), round(labels.count(UNKNOWN) / len(texts), 4))


def most_frequent(asked: Sequence[str], most: int = MOST) -> list[str]:
    """The texts asked most often, as they were typed."""
    return [text for text, _ in Counter(text for text in asked if text.strip()).most_common(most)]


def holding(models: Models, titles: Sequence[str]) -> Models:
    """The models with a catalogue of these titles, as a worker that has read them."""
    own = replace(models, catalogue=Catalogue(), lore=QueryLore())
    tables = Tables(own)
    items = [Item(item_id=str(n), time=n, title=title) for n, title in enumerate(titles, 1)]
    sent = [Record(item.item_id.encode(), encode(item), n, item.time) for n, item in enumerate(items)]
    changes = run_on(on_items(sent, -1, 0, own, Deployment.of(load()).topics), {})
    tables.take_items([records.item(message.key, message.value) for message in changes.messages])
    return tables.models


def knowing(models: Models, asked: Sequence[str]) -> Models:
    """The models with what was searched before as known queries, each as heavy as it was frequent."""
    lore = QueryLore()
    for text, count in Counter(map(normalise, asked)).items():
        compact = models.encoder.encode([text]).compact[0].astype("<f4").tobytes()
        lore.learn(KnownQuery(text, key(text), 0, float(count), [], [], compact), models.words.tokens(text))
    lore.learn_words(models.catalogue.lexical)
    return replace(models, lore=lore)


def chinese_queries(data: Path) -> list[str]:
    """5,000 queries of Chinese shops."""
    return _lines(data / "search_relevance" / "zh_shop_queries.txt.gz")


def chinese_titles(data: Path) -> list[str]:
    """Titles of the same market."""
    lines = _lines(data / "search_relevance" / "zh_select_half.jsonl.gz")
    return sorted({title for line in lines for title in json.loads(line)["candidates"]})


def best_buy(data: Path) -> tuple[list[str], list[str]]:
    """The shop's titles, and its queries in the order of time."""
    log = list(events(data / "bestbuy_acm"))
    titles = [event.title for event in log if isinstance(event, Item)]
    return titles, [event.text or "" for event in log if isinstance(event, Query)]


def _lines(path: Path) -> list[str]:
    return [line for line in gzip.decompress(path.read_bytes()).decode().split("\n") if line.strip()]
