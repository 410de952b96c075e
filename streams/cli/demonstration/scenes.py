"""What the demo asks, as shoppers do, and how it prints the answers."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.errors import StreamrankError
from streamrank_client.making import behavior
from streams.cli.demonstration.shop import Shop
from streams.cli.tables import answer_table

WARM_UP: Final = 20
ROUNDS: Final = 100


async def scenes(client: Client, shop: Shop, out: Console) -> None:
    """Ask as shoppers do, and print the answers."""
    known, coffee = shop.household(), shop.item("ground coffee")
    basket = [shop.item("spaghetti"), shop.item("pasta sauce")]
    asked: list[tuple[str, dict[str, Any]]] = [
        (f"Household {known} ({shop.purchases[known]} purchases) opens the shop", {"user_id": known}),
        ("A stranger opens it", {"user_id": "a stranger"}),
        ("A search in English: yogurt", {"user_id": known, "text": "yogurt"}),
        ("A search in Chinese: 酸奶 (yogurt)", {"user_id": known, "text": "酸奶"}),
        ("A search in Chinese: 婴儿奶粉 (baby milk powder)", {"text": "婴儿奶粉"}),
        ("A hunt for promotions: 有什么优惠的咖啡 (any coffee on offer?)", {"text": "有什么优惠的咖啡"}),
        (f"Similar to: {shop.titles[coffee]}", {"item_id": coffee}),
        (f"In the cart: {'; '.join(shop.titles[i] for i in basket)}", {"cart": basket}),
    ]
    for title, question in asked:
        began = time.perf_counter()
        answer = await client.ask(limit=5, timeout=10, **question)
        took = 1000 * (time.perf_counter() - began)
        if not answer.items:
            raise StreamrankError(f"{title}: no items in the answer")
        out.rule(title, align="left")
        out.print(answer_table(answer, shop.titles, took), "")


async def click_and_ask(client: Client, shop: Shop, out: Console) -> None:
    """Click an answered item, ask again at once, and show what moved and why."""
    user = shop.household()
    before = await client.ask(user_id=user, limit=20, explain=True, timeout=10)
    position = 7
    clicked = before.items[position]
    await client.publish(
        behavior("click", user_id=user, item_id=clicked.item_id, request_id=before.request_id, position=position)
    )
    after = await client.ask(user_id=user, limit=20, explain=True, timeout=10)
    out.rule(f"Household {user} clicks “{shop.titles[clicked.item_id]}”, and asks again at once", align="left")
    out.print(moves(before, after, clicked.item_id, shop))
    version = await learnt(client, user, before.weights_version)
    out.print(f"and the online ranker has learnt from it: weights {before.weights_version} → {version}\n")


async def learnt(client: Client, user: str, version: int) -> int:
    """The version of the online weights once it is past ``version``. Raises StreamrankError after 10 s."""
    for _ in range(100):
        answer = await client.ask(user_id=user, timeout=10)
        if answer.weights_version > version:
            return answer.weights_version
        await asyncio.sleep(0.1)
    raise StreamrankError("the click did not reach the online ranker's weights in 10 s")


def moves(before: Answer, after: Answer, clicked: str, shop: Shop) -> Table:
    """The first ten of the second answer: where each stood before, and what changed its score most."""
    table = Table(title="what moved and why", title_justify="left", show_edge=False)
    for name in ("now", "before", "title", "score", "change", "why"):
        table.add_column(name, justify="right" if name in ("now", "before", "score", "change") else "left")
    old = {item.item_id: (place, item) for place, item in enumerate(before.items)}
    shown = [(place, item) for place, item in enumerate(after.items) if place < 10 or item.item_id == clicked]
    for place, item in shown:
        was, then = old.get(item.item_id, (None, None))
        change = f"{item.score - then.score:+.3f}" if then else "new"
        reasons = dict(item.reasons or {})
        for name, value in ((then.reasons if then else None) or {}).items():
            reasons[name] = reasons.get(name, 0.0) - value
        top = sorted(reasons.items(), key=lambda pair: -abs(pair[1]))[:3]
        why = ", ".join(f"{name} {value:+.2f}" for name, value in top if abs(value) >= 0.005)
        mark = " ← clicked" if item.item_id == clicked else ""
        before_place = "" if was is None else str(was)
        title = shop.titles.get(item.item_id, item.item_id) + mark
        table.add_row(str(place), before_place, title, f"{item.score:.3f}", change, why)
    seen = f"{after.seen.partition}/{after.seen.offset}" if after.seen else "nothing"
    table.caption = f"the second answer has seen the click, event {seen}"
    return table


async def latencies(client: Client, shop: Shop, out: Console) -> Table:
    """Round trips of a hundred queries a surface, one at a time; says what it asks meanwhile."""
    users = sorted(shop.purchases)
    words = ("yogurt", "酸奶", "whole milk", "coffee", "bread", "咖啡", "chicken", "牛奶")
    items = sorted(shop.titles)
    questions: dict[str, Any] = {
        "home": lambda n: {"user_id": users[n % len(users)]},
        "search": lambda n: {"user_id": users[n % len(users)], "text": words[n % len(words)]},
        "similar": lambda n: {"item_id": items[97 * n % len(items)]},
        "cart": lambda n: {"cart": [items[31 * n % len(items)], items[57 * n % len(items)]]},
    }
    table = Table(title="latency through Kafka", title_justify="left", show_edge=False)
    for name in ("surface", "queries", "p50 ms", "p99 ms"):
        table.add_column(name, justify="left" if name == "surface" else "right")
    for surface, question in questions.items():
        out.print(f"asking for {surface}, {WARM_UP + ROUNDS} times …")
        took = []
        for n in range(WARM_UP + ROUNDS):
            began = time.perf_counter()
            await client.ask(timeout=10, **question(n))
            took.append(1000 * (time.perf_counter() - began))
        p50, p99 = np.percentile(took[WARM_UP:], [50, 99])
        table.add_row(surface, str(ROUNDS), f"{p50:.1f}", f"{p99:.1f}")
    return table
