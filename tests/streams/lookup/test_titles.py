"""Titles of items, for people."""

from __future__ import annotations

from time import monotonic

from state import keys
from state.item_times import ItemTimes, encode
from state.store import Store
from streamrank_client.events import Item
from streamrank_client.events import encode as encode_event
from streamrank_client.partitioner import partition_for
from streams.lookup.titles import ItemTitles
from streams.settings import Settings


async def test_titles_are_those_of_the_items_as_they_are_now(redis_url: str) -> None:
    """As it was sent, as it was changed, deleted, unknown, and stored bytes that are none."""
    settings, store = Settings(redis=redis_url), Store(redis_url)
    held = {name: ItemTimes() for name in ("sent", "changed", "deleted")}
    for name, own in held.items():
        own.put(5, encode_event(Item(item_id=name, time=5, title=f"Tea {name}")))
    held["changed"].change(6, {"title": b'"Oolong"'})
    held["deleted"].delete(7)
    pairs = [(_key(name), encode(own)) for name, own in held.items()]
    try:
        await store.write([*pairs, (_key("broken"), b"\xc1")])
        async with ItemTitles(settings) as titles:
            found = await titles.of([*held, "unknown", "broken"])
    finally:
        await store.close()
    assert found == {"sent": "Tea sent", "changed": "Oolong"}


async def test_nobody_waits_for_titles_where_redis_is_away() -> None:
    """There are none, and it is not asked again."""
    began = monotonic()
    async with ItemTitles(Settings(redis="redis://127.0.0.1:1/0")) as titles:
        assert [await titles.of(["p1"]) for _ in range(3)] == [{}] * 3
    assert monotonic() - began < 3


def _key(name: str) -> bytes:
    return keys.item_times(partition_for(name.encode(), 8), name)
