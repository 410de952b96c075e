"""The sentence at the top: every click is learnt from before the next answer."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from streamrank_client.client import Client
from streamrank_client.making import behavior, now
from tests.integration.conftest import Shop

PAIRS, USERS = 1_000, 20


async def test_a_thousand_answers_show_the_click_before_them(shop: Shop) -> None:
    """Each answer's `seen` is at or past the click's place, and the clicked item's features show the click."""
    async with Client(settings=shop.settings) as client:
        done = await asyncio.gather(*(_pairs(client, f"reader{n}", PAIRS // USERS, n) for n in range(USERS)))
    assert sum(done) == PAIRS


async def test_an_event_published_twice_counts_once_and_a_late_one_at_its_own_time(shop: Shop) -> None:
    """The answer after the second delivery shows one click; one that comes an hour late is an hour old."""
    repeated = shop.worker.metric("streamrank_repeated_events_total")
    async with Client(settings=shop.settings) as client:
        for user, age in (("twice", 0), ("late", 3_600_000)):
            event = behavior("click", event_id=f"only-{user}", user_id=user, item_id="p5", time=now() - age)
            await client.publish(event)
            place = await client.publish(event)
            answer = await client.ask(user, candidates=["p5", "p6"], explain=True, timeout=20)
            features = next(item.features for item in answer.items if item.item_id == "p5") or {}
            assert answer.seen is not None
            assert answer.seen.offset >= place.offset
            assert features["own_events"] == 1
            assert features["own_recency"] == pytest.approx(0.5 if age else 1.0, abs=0.02)
    assert shop.worker.metric("streamrank_repeated_events_total") == repeated + 2


async def _pairs(client: Client, user: str, pairs: int, seed: int) -> int:
    """Click, ask, look; returns how many answers were right."""
    random = Random(seed)
    right = 0
    for number in range(pairs):
        item, *others = (f"p{n}" for n in random.sample(range(28), 6))  # p28 is out of stock
        place = await client.event("click", user_id=user, item_id=item)
        answer = await client.ask(user, candidates=[*others, item], explain=True, limit=10, timeout=20)
        assert answer.seen is not None
        assert (answer.seen.partition, answer.seen.offset >= place.offset) == (place.partition, True)
        clicked = next(found for found in answer.items if found.item_id == item)
        assert clicked.features is not None
        assert clicked.features["own_events"] >= 1, (user, number, clicked.features)
        right += 1
    return right
