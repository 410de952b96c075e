"""A small shop's log made by code: the same seed makes the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import msgspec

from streamrank_client.events import Behavior, Click, Item, Purchase, Query, encode
from streamrank_client.logs import Line
from streamrank_client.making import behavior

START: Final = 1_760_000_000_000
WORDS: Final = {
    "dairy": ("milk", "yogurt", "牛奶", "酸奶", "cheese"),
    "coffee": ("coffee", "espresso", "咖啡", "拿铁", "filter"),
    "phones": ("phone", "charger", "手机", "充电器", "case"),
    "baby": ("diapers", "formula", "婴儿奶粉", "奶瓶", "wipes"),
    "bread": ("bread", "rolls", "面包", "吐司", "bagels"),
    "fruit": ("apples", "bananas", "苹果", "葡萄", "pears"),
    "books": ("novel", "atlas", "小说", "词典", "comic"),
    "sport": ("shoes", "ball", "跑鞋", "瑜伽垫", "racket"),
}
#: how often each kind of behaviour is among a hundred
OFTEN: Final = {
    "view": 30, "click": 25, "add_to_cart": 10, "purchase": 15, "rating": 5, "dislike": 2, "dwell": 8, "impression": 5,
}  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large a log is made; ``queries`` are spread over it, and ``asked`` of its clicks name a query."""

    users: int = 60
    items: int = 80
    behaviors: int = 3_000
    queries: int = 60


def items(count: int = 80, at: int = START) -> list[Item]:
    """Items of eight departments, Chinese and English titles in turn."""
    departments = list(WORDS)
    found = []
    for number in range(count):
        department = departments[number % len(departments)]
        word = WORDS[department][number // len(departments) % 5]
        found.append(
            Item(
                time=at, item_id=f"p{number}", title=f"{word} {number}", category=[department, f"{department}-{word}"],
                brand=f"brand{number % 7}", price=float(1 + number % 50), in_stock=number % 29 != 28,
            )
        )  # fmt: skip
    return found


def behaviors(size: Size, seed: int = 7) -> Iterator[Behavior]:
    """Behaviour in time order: users stay mostly in two departments, few items get most of it, some follow a text."""
    random = Random(seed)
    at = START + 60_000
    for number in range(size.behaviors):
        at += random.randrange(200, 20_000)
        user = random.randrange(size.users)
        department = (user + random.choice((0, 0, 0, 1, 1, random.randrange(8)))) % 8
        item = department + 8 * int(size.items // 8 * random.random() ** 3)
        yield _behavior(random, f"e{number}", f"u{user}", f"p{item}", at, list(WORDS)[department])


def _behavior(random: Random, event_id: str, user: str, item: str, at: int, department: str) -> Behavior:
    kinds, often = zip(*OFTEN.items(), strict=True)
    kind: str = random.choices(kinds, often)[0]
    given: dict[str, object] = {"event_id": event_id, "user_id": user, "time": at, "item_id": item}
    if kind == "impression":
        given["item_ids"] = [given.pop("item_id"), f"p{random.randrange(8)}"]
    if kind == "rating":
        given["value"] = random.randrange(11) / 2
    if kind == "dwell":
        given["milliseconds"] = random.randrange(120_000)
    if kind == "click" and random.random() < 0.3:
        given["query"] = random.choice(WORDS[department])
    return behavior(kind, **given)


def queries(size: Size, seed: int = 8) -> Iterator[Query]:
    """Queries on every surface, of known users, strangers and nobody, in time order."""
    random = Random(seed)
    for number in range(size.queries):
        at = START + 60_000 + (number + 1) * size.behaviors * 10_000 // (size.queries + 1)
        user = random.choice((f"u{random.randrange(size.users)}", f"u{random.randrange(size.users)}", "new", None))
        texts: Sequence[str] = WORDS[random.choice(list(WORDS))]
        surface = ("search", "home", "similar", "cart", "rerank")[number % 5]
        given: dict[str, dict[str, object]] = {
            "search": {"text": random.choice(texts)},
            "home": {},
            "similar": {"item_id": f"p{random.randrange(size.items)}"},
            "cart": {"cart": [f"p{random.randrange(size.items)}", "unknown"]},
            "rerank": {"candidates": [f"p{n}" for n in random.sample(range(size.items), 12)]},
        }
        query = {"time": at, "request_id": f"r{number}", "user_id": user, "explain": number % 3 == 0, **given[surface]}
        yield msgspec.convert(query, Query)


def answered(events: Sequence[Behavior], asked: Sequence[Query]) -> list[Behavior]:
    """The same behaviour, where a click or purchase of a user within an hour after a query names its request."""
    found: list[Behavior] = []
    last: dict[str | None, Query] = {}
    waiting = list(asked)
    for event in events:
        while waiting and waiting[0].time <= event.time:
            query = waiting.pop(0)
            last[query.user_id] = query
        query_ = last.get(event.user_id)
        if isinstance(event, Click | Purchase) and query_ is not None and event.time - query_.time < 3_600_000:
            event = msgspec.structs.replace(event, request_id=query_.request_id)
        found.append(event)
    return found


def log(size: Size | None = None, seed: int = 7) -> list[bytes]:
    """A whole log, one JSON object a line, sorted by time: items first, then behaviour and queries."""
    size = size or Size()
    asked = list(queries(size, seed + 1))
    events = sorted([*answered(list(behaviors(size, seed)), asked), *asked], key=lambda event: event.time)
    return [encode(event) for event in [*items(size.items), *events]]


def lines(raw: Sequence[bytes]) -> list[Line]:
    """Raw lines with their numbers, as read from a file."""
    return [Line(number, line) for number, line in enumerate(raw, 1)]
