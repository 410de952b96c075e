"""On a running worker: item events hold in the answers that follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.events import Delete, Event, Item
from streamrank_client.fields import Filters, Range
from streamrank_client.making import now
from tests.integration.conftest import Shop

#: longest wait until a published item event is in force; it takes some milliseconds
PATIENCE_S = 10.0
TITLE = "Zyzzyva walking boots"


def _item(**given: object) -> Item:
    return Item(**{"time": now(), "item_id": "zyzzyva", "title": TITLE, "price": 90.0, **given})  # type: ignore[arg-type]


async def _until(
    client: Client, event: Event, text: str, filters: Filters | None, right: Callable[[Answer], bool]
) -> None:
    """Publish an event and ask until the answer is right; fails when it never is."""
    await client.publish(event)
    async with asyncio.timeout(PATIENCE_S):
        while not right(await client.ask("novelty", text=text, filters=filters, limit=20, timeout=20)):
            pass


def _shown(answer: Answer) -> bool:
    return "zyzzyva" in [item.item_id for item in answer.items]


def _first(answer: Answer) -> bool:
    return bool(answer.items) and answer.items[0].item_id == "zyzzyva"


def _gone(answer: Answer) -> bool:
    return not _shown(answer)


async def test_a_new_item_a_price_a_stock_and_a_delete_hold(shop: Shop) -> None:
    """Found by its text, then within the price filter, then gone, then back, then gone for good."""
    cheap = Filters(price=Range(max=50))
    async with Client(settings=shop.settings) as client:
        await _until(client, _item(), TITLE, None, _first)
        assert _gone(await client.ask("novelty", text=TITLE, filters=cheap, timeout=20))
        await _until(client, _item(price=45.0, list_price=90.0), TITLE, cheap, _first)
        await _until(client, _item(in_stock=False), TITLE, None, _gone)
        await _until(client, _item(), TITLE, None, _first)
        await _until(client, Delete(time=now(), item_id="zyzzyva"), TITLE, None, _gone)


async def test_a_search_refines_the_one_before_on_a_running_worker(shop: Shop) -> None:
    """What the first answer left in Redis is read with the second query, published right behind it."""
    async with Client(settings=shop.settings) as client:
        first = await client.ask("refiner", text="milk", timeout=20)
        second = await client.ask("refiner", text="under 5", timeout=20)
        alone = await client.ask("somebody-else", text="under 5", timeout=20)
    assert first.understood is None
    assert second.understood is not None
    assert second.understood.refined_from == "milk"
    assert alone.understood is None
