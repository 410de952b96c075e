"""Several shops in one Redis: none sees, counts or removes a key of another, on one server and on a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from state import keys
from state.cluster import slot_of
from state.layouts import LAYOUTS, kind_of
from state.marks import source_mark
from state.store import Store
from tests.support.redis_cluster import RealCluster
from tests.support.redis_reading import reading

MARK = keys.watermark(3, "topic")
CONTEXT = keys.impression(3, "r1")
SHOPS = ("", "anna", "anna-2", "bad", "imp")

Stores = dict[str, Store]


@pytest_asyncio.fixture(params=["redis_url", "redis_cluster"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, Stores, list[bytes]]]:
    """The Redis's URL, a store for each shop, and the keys that were kept aside, as they were told."""
    fixture = request.getfixturevalue(request.param)
    url = fixture.url if isinstance(fixture, RealCluster) else fixture
    told: list[bytes] = []
    made = {shop: Store(url, 2.0, on_unreadable=lambda key, _: told.append(key), shop=shop) for shop in SHOPS}
    yield url, made, told
    for store in made.values():
        await store.close()


async def written(store: Store, value: bytes) -> bool:
    """One transaction guarded by a watermark."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([CONTEXT])
        return await transaction.write(source_mark(None, 1).moved(1).stored(), [CONTEXT, value])


@pytest.mark.servers
async def test_no_shop_sees_what_another_wrote(stores: tuple[str, Stores, list[bytes]]) -> None:
    """The same keys hold what each shop wrote; emptying one leaves the others as they are."""
    _, made, _ = stores
    assert [await store.empty() for store in made.values()] == [True] * len(SHOPS)
    assert all([await written(store, shop.encode() + b"!") for shop, store in made.items()])
    for shop, store in made.items():
        assert await store.read([CONTEXT, MARK]) == [shop.encode() + b"!", source_mark(None, 1).moved(1).stored()]
        assert [name async for name in store.names(b"imp")] == [CONTEXT]
    await made["anna"].flush()
    assert [await store.empty() for store in made.values()] == [shop == "anna" for shop in SHOPS]


@pytest.mark.servers
async def test_a_shops_watermark_guards_its_own_batches_only(stores: tuple[str, Stores, list[bytes]]) -> None:
    """A batch that another shop stores meanwhile does not stop this shop's; one of this shop does."""
    _, made, _ = stores
    for other, stored in (("bad", True), ("anna", False)):
        async with made["anna"].transaction(MARK) as transaction:
            await transaction.read([])
            assert await written(made[other], b"x")
            assert await transaction.write(source_mark(None, 1).moved(9).stored(), []) is stored


@pytest.mark.servers
async def test_what_cannot_be_read_is_kept_aside_in_its_shop_and_told_by_its_whole_key(
    stores: tuple[str, Stores, list[bytes]],
) -> None:
    """An impression that is none lies under `bad:` of the shop; the other shops' stay."""
    url, made, told = stores
    for store in made.values():
        await store.write_expiring([(CONTEXT, b"x")], 100)
    await made["anna"].spoil(CONTEXT, b"x", "broken")
    assert told == [b"anna:imp:{anna:3}:r1"]
    assert [await store.read([CONTEXT]) for store in made.values()] == [[None if s == "anna" else b"x"] for s in SHOPS]
    assert [name async for name in made["anna"].names(b"bad")] == [b"bad:" + CONTEXT]
    assert [name async for name in made[""].names(b"bad")] == []
    with reading(url) as look:
        assert set(look.names("*imp*")) == {
            b"imp:{3}:r1", b"anna:bad:imp:{anna:3}:r1", b"anna-2:imp:{anna-2:3}:r1", b"bad:imp:{bad:3}:r1",
            b"imp:imp:{imp:3}:r1",
        }  # fmt: skip


@given(name=st.text(), other=st.text(), partition=st.integers(0, 1023))
def test_a_partition_of_a_shop_is_one_slot_and_keeps_its_kind(name: str, other: str, partition: int) -> None:
    """Whatever ids hold; the name goes back to the one that it was made of."""
    name, other = (text.encode("utf-8", "replace").decode() for text in (name, other))
    plain = [
        keys.context(partition, name), keys.impression(partition, other), keys.watermark(partition, "t"),
        keys.trends(partition), keys.event_ids(partition, 3), b"bad:" + keys.session(partition, name),
    ]  # fmt: skip
    there = keys.in_shop("anna", plain)
    assert {slot_of(key) for key in there} == {slot_of(b"anna:%d" % partition)}
    assert [keys.of_shop("anna", key) for key in there] == plain
    assert [kind_of(key) for key in there[:5]] == [key.split(b":")[0] for key in plain[:5]]
    assert all(kind_of(key) in LAYOUTS for key in there)


def test_small_shops_of_a_cluster_do_not_crowd_into_one_slot() -> None:
    """Fifty shops of one partition each lie in fifty slots: their load is spread as that of fifty partitions."""
    names = [keys.in_shop(f"shop-{n}", [keys.context(0, "u1")])[0] for n in range(50)]
    assert len({slot_of(name) for name in names}) == 50
    assert keys.in_shop("", [MARK]) == [MARK]


@pytest.mark.parametrize("shop", ["", "anna"])
async def test_writes_are_tried_where_the_shops_keys_lie(redis_url: str, shop: str) -> None:
    """Trying leaves nothing behind."""
    store = Store(redis_url, shop=shop)
    await store.try_writing([keys.stopped(0, "doctor")])
    assert await store.empty()
    await store.close()
