"""The store on a real cluster: slots that move and are on their way, masters that go, keys that stay together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from bench.servers import RealRedis
from state import keys
from state.cluster import slot_of
from state.marks import source_mark
from state.store import BAD, Store
from tests.support.redis_cluster import RealCluster, wait_until

PARTITIONS: Final = 8
NAMES: Final = [keys.impression(p, f"r{n}") for n in range(3) for p in range(PARTITIONS)]
MARK: Final = keys.watermark(3, "topic")
MINE: Final = [keys.impression(3, f"r{n}") for n in range(4)]


def mark(next_: int) -> bytes:
    """A watermark that stands there."""
    return source_mark(None, 1).moved(next_).stored()


@pytest_asyncio.fixture
async def store(redis_cluster: RealCluster) -> AsyncIterator[Store]:
    """A store on an empty cluster."""
    made = Store(redis_cluster.url, timeout_s=2.0)
    yield made
    await made.close()


async def written(store: Store, next_: int, *pairs: bytes) -> bool:
    """Store keys and values in one transaction."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([])
        return await transaction.write(mark(next_), pairs)


async def in_the_end(store: Store, next_: int, *pairs: bytes) -> bool:
    """The same as drivers do it: again, until the cluster serves the slot."""
    deadline = monotonic() + 20
    while True:
        try:
            return await written(store, next_, *pairs)
        except RedisConnectionError:
            assert monotonic() < deadline
            await asyncio.sleep(0.05)


@given(partition=st.integers(0, 1023), name=st.text(), other=st.text())
def test_no_id_moves_a_key_out_of_its_partitions_slot(partition: int, name: str, other: str) -> None:
    """Braces in ids of users and requests, and what is kept aside."""
    name, other = (text.encode("utf-8", "replace").decode() for text in (name, other))
    found = {
        slot_of(key)
        for key in (
            keys.context(partition, name), keys.session(partition, other), keys.purchases(partition, "{" + name + "}"),
            keys.impression(partition, other), BAD + keys.context(partition, "}{" + name),
            keys.watermark(partition, "t"), keys.event_ids(partition, 15), keys.trends(partition),
            keys.category_trend(partition, 7), keys.covisits(1024, partition), keys.counts(1024, partition),
            keys.query_clicks(1024, partition), keys.stopped(partition, name),
        )
    }  # fmt: skip
    assert found == {slot_of(b"%d" % partition)}


async def test_slots_are_counted_as_redis_counts_them(redis_cluster: RealCluster) -> None:
    """CLUSTER KEYSLOT, odd braces among them."""
    for key in (*NAMES, b"", b"{}", b"{}{3}", b"a{b", b"a}b{c}", b"ctx:{1}:{2}", b"{{x}}"):
        assert slot_of(key) == redis_cluster.nodes[0].say("CLUSTER", "KEYSLOT", key), key


async def test_values_lie_on_all_masters_and_come_in_the_order_of_their_keys(
    store: Store, redis_cluster: RealCluster
) -> None:
    """Three nodes hold some of eight partitions; what is not there is None; emptied, all are empty."""
    assert await store.empty()
    await store.write_expiring([(name, name) for name in NAMES], 100)
    assert all(int(node.say("DBSIZE")) > 0 for node in redis_cluster.masters)
    missing = keys.impression(5, "none")
    assert await store.read([*reversed(NAMES), missing]) == [*reversed(NAMES), None]
    await store.ping()
    assert not await store.empty()
    await store.flush()
    assert await store.empty()


async def test_a_batch_is_stored_or_not_as_on_one_server(store: Store) -> None:
    """With its watermark, and only if that has not moved."""
    async with store.transaction(MARK) as mine:
        assert await mine.read(MINE) == (None, [None] * 4)
        assert await written(store, 2, MINE[0], b"other")
        assert not await mine.write(mark(1), [MINE[0], b"mine", MINE[1], b"mine"])
    assert await store.read([MARK, *MINE[:2]]) == [mark(2), b"other", None]


async def test_a_slot_that_has_moved_is_followed(store: Store, redis_cluster: RealCluster) -> None:
    """Reads and single writes go where it went; a transaction fails for once, as when its connection is lost."""
    assert await written(store, 1, MINE[0], b"a")
    redis_cluster.move(MARK, redis_cluster.other(redis_cluster.owner(MARK)))
    assert await store.read([MARK, MINE[0], NAMES[0]]) == [mark(1), b"a", None]
    redis_cluster.move(MARK, redis_cluster.other(redis_cluster.owner(MARK)))
    await store.write_expiring([(MINE[1], b"b")], 100)
    redis_cluster.move(MARK, redis_cluster.other(redis_cluster.owner(MARK)))
    with pytest.raises(RedisConnectionError, match="again in a while"):
        await written(store, 2)
    assert await written(store, 2, MINE[0], b"c")
    assert await store.read([MARK, *MINE[:2]]) == [mark(2), b"c", b"b"]


async def test_a_slot_on_its_way_is_read_whole_and_its_batch_waits(store: Store, redis_cluster: RealCluster) -> None:
    """Some keys are here and some are there (ASK, TRYAGAIN); a batch is stored once the slot has arrived."""
    assert await written(store, 1, *(part for name in MINE[:3] for part in (name, name)))
    target = redis_cluster.other(redis_cluster.owner(MARK))
    source = redis_cluster.begin_moving(MARK, target)
    for _ in range(5):
        assert await store.read([MARK, *MINE, NAMES[0]]) == [mark(1), *MINE[:3], None, None]
        redis_cluster.move_keys(source, MARK, target, 1)
    await store.write_expiring([(MINE[3], b"new")], 100)
    assert await store.read(MINE) == [*MINE[:3], b"new"]
    with pytest.raises(RedisConnectionError):
        await written(store, 2, MINE[0], b"2")
    waiting = asyncio.create_task(in_the_end(store, 2, MINE[0], b"2"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    redis_cluster.end_moving(source, MARK, target)
    assert await waiting
    assert await store.read([MARK, *MINE]) == [mark(2), b"2", *MINE[1:3], b"new"]


async def test_a_slot_that_goes_between_read_and_write_stores_nothing(store: Store, redis_cluster: RealCluster) -> None:
    """EXEC on the node that has it no more fails, and the batch, done again, is stored once."""
    assert await written(store, 1, MINE[0], b"1")
    with pytest.raises(RedisConnectionError):
        await moved_between(store, redis_cluster)
    assert await store.read([MARK, MINE[0]]) == [mark(1), b"1"]
    assert await written(store, 2, MINE[0], b"2")


async def moved_between(store: Store, cluster: RealCluster) -> None:
    """A transaction whose slot moves before it writes."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([MINE[0]])
        await asyncio.to_thread(cluster.move, MARK, cluster.other(cluster.owner(MARK)))
        await transaction.write(mark(2), [MINE[0], b"lost"])


async def test_a_killed_master_is_waited_for_until_its_replica_serves(store: Store, redis_cluster: RealCluster) -> None:
    """Until then reading and looking for it fail as without Redis; what had reached the replica is there."""
    assert await written(store, 1, MINE[0], b"1")
    owner = redis_cluster.owner(MARK)
    await asyncio.to_thread(wait_until, lambda: owner.copied, "the replica has it")
    owner.kill9()
    with pytest.raises((RedisError, OSError)):
        await store.read([MARK])
    with pytest.raises((RedisError, OSError)):
        await store.ping()
    assert await in_the_end(store, 2, MINE[1], b"2")
    assert await store.read([MARK, *MINE[:2]]) == [mark(2), b"1", b"2"]
    await asyncio.to_thread(redis_cluster.wait)
    await store.ping()


async def test_a_value_that_cannot_be_read_is_kept_aside_where_it_lies(
    store: Store, redis_cluster: RealCluster
) -> None:
    """Under bad:, in the same slot."""
    redis_cluster.owner(MINE[0]).say("SET", MINE[0], b"{json}")
    assert await store.read(MINE) == [None] * 4
    assert redis_cluster.owner(MINE[0]).say("GET", BAD + MINE[0]) == b"{json}"


async def test_a_refused_write_is_told_as_such(store: Store, redis_cluster: RealCluster) -> None:
    """For want of memory on one master: no lost connection, and nothing moves."""
    owner = redis_cluster.owner(MARK)
    owner.say("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(ResponseError, match="maxmemory"):
            await written(store, 1, MINE[0], b"1")
        with pytest.raises(ResponseError, match="maxmemory"):
            await store.try_writing([keys.stopped(p, "doctor") for p in range(PARTITIONS)])
    finally:
        owner.say("CONFIG", "SET", "maxmemory", 0)
    await store.try_writing([keys.stopped(p, "doctor") for p in range(PARTITIONS)])
    assert await store.empty()


async def test_what_is_no_cluster_says_so(redis_server: RealRedis) -> None:
    """With the node and its reason."""
    store = Store(f"redis+cluster://127.0.0.1:{redis_server.port},127.0.0.1:1")
    with pytest.raises(RedisConnectionError, match=f"127.0.0.1:{redis_server.port}: .*cluster support disabled"):
        await store.ping()
    await store.close()
