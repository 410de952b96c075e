"""Items on a real Redis: event time decides, by whichever worker they are handled."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from models.items.entries import decode_entry
from state import keys
from state.item_times import KEPT_S
from state.store import Store
from streamrank_client.answers import decode_dead_letter
from streamrank_client.events import Delete, Item, ItemUpdate
from streams.worker.stages.items import ItemStage
from tests.support.driving import AT
from tests.support.stages import Kept, published, workplace

SOLD_OUT = Item(item_id="lamp", time=AT + 60_000, title="Reading lamp", price=20.0, in_stock=False)
OLDER = Item(item_id="lamp", time=AT, title="Reading lamp", price=30.0)


class Worker:
    """A worker that has just taken over the partition."""

    def __init__(self, store: Store) -> None:
        self.kept = Kept()
        self.stage = ItemStage(workplace(store, self.kept))

    async def take(self, *events: Item | ItemUpdate | Delete) -> None:
        """Handle events as one batch."""
        await self.stage.handle(0, published(events))

    def entries(self) -> list[tuple[float | None, bool] | None]:
        """Price and stock of what was published to the catalogue, None for a tombstone."""
        values = [m.value for m in self.kept.messages if m.topic == "catalogue"]
        return [((e := decode_entry(v)).price, e.in_stock) if v else None for v in values]


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """A store on an empty database."""
    made = Store(redis_url)
    yield made
    await made.close()


async def test_an_item_that_comes_late_does_not_come_back(store: Store) -> None:
    """Neither sold out nor deleted, in one worker or in the next."""
    first, second = Worker(store), Worker(store)
    await first.take(SOLD_OUT, Delete(item_id="gone", time=AT + 60_000))
    assert first.entries() == [(20.0, False), None]
    for worker in (first, second):
        before = len(worker.kept.messages)
        await worker.take(OLDER, Item(item_id="gone", time=AT, title="Garden lamp"))
        assert len(worker.kept.messages) == before
        assert worker.stage.at.metrics.late_items._value.get() == 2
    (client,) = (await store.clients()).values()
    assert 0 < await client.ttl(keys.item_times(0, "gone")) <= KEPT_S
    assert await client.ttl(keys.item_times(0, "lamp")) == -1


async def test_a_change_is_made_by_whichever_worker_gets_it(store: Store) -> None:
    """The item's other fields are read from Redis."""
    first, second = Worker(store), Worker(store)
    await first.take(OLDER)
    await second.take(ItemUpdate(item_id="lamp", time=AT + 5, in_stock=False))
    assert second.entries() == [(30.0, False)]
    await first.take(ItemUpdate(item_id="lamp", time=AT + 9, price=25.0))
    assert first.entries()[-1] == (25.0, False)
    await first.take(ItemUpdate(item_id="other", time=AT + 9, price=25.0))
    assert [decode_dead_letter(raw).code for raw in first.kept.of("dead-letters")] == ["unknown_item"]


async def test_done_twice_it_is_published_twice(store: Store) -> None:
    """A batch that is read again after a crash leaves the same."""
    worker = Worker(store)
    for _ in range(2):
        await worker.take(OLDER, SOLD_OUT)
    assert worker.entries() == [(20.0, False), (20.0, False)]
