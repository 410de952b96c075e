"""The store on a real Redis: batches with their watermark, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from bench.servers import RealRedis
from state.store import Store

MARK = b"wm:{0}:topic"


@pytest_asyncio.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    """A store on an empty database."""
    made = Store(redis_url)
    yield made
    await made.close()


async def test_a_batch_is_stored_with_its_watermark(store: Store) -> None:
    """Values in the order of their keys, None for what is not there, any bytes."""
    every = bytes(range(256))
    async with store.transaction(MARK) as transaction:
        assert await transaction.read([b"a", b"b"]) == (None, [None, None])
        assert await transaction.write(b"1", [b"a", every, b"b", b""])
    assert await store.read([b"b", b"none", b"a", MARK]) == [b"", None, every, b"1"]
    assert await store.read([]) == []


async def test_a_moved_watermark_stops_the_whole_batch(store: Store) -> None:
    """Nothing of a batch is stored once another worker has stored its own."""
    async with store.transaction(MARK) as mine:
        await mine.read([b"a"])
        async with store.transaction(MARK) as other:
            assert await other.write(b"2", [b"a", b"other"])
        assert not await mine.write(b"1", [b"a", b"mine", b"b", b"mine"])
    assert await store.read([MARK, b"a", b"b"]) == [b"2", b"other", None]


async def test_a_watermark_written_with_the_same_value_counts_as_moved(store: Store) -> None:
    """WATCH sees the write, not the value."""
    async with store.transaction(MARK) as first:
        assert await first.write(b"1", [])
    async with store.transaction(MARK) as mine:
        await mine.read([])
        async with store.transaction(MARK) as other:
            assert await other.write(b"1", [b"a", b"other"])
        assert not await mine.write(b"2", [b"a", b"mine"])


async def test_a_transaction_left_without_a_write_watches_no_longer(store: Store) -> None:
    """The next one on the same connection is not disturbed by it."""
    async with store.transaction(MARK) as left:
        await left.read([b"a"])
    async with store.transaction(MARK) as other:
        assert await other.write(b"1", [])
    async with store.transaction(b"wm:{0}:else") as next_:
        assert await next_.write(b"1", [])


async def test_an_exception_inside_a_transaction_stores_nothing(store: Store) -> None:
    """The connection is closed with its watch, and the store works on."""
    with pytest.raises(RuntimeError, match="handler"):
        await broken(store)
    assert await store.read([MARK, b"a"]) == [None, None]


async def test_a_cancelled_read_leaves_no_half_conversation(store: Store) -> None:
    """Answers never go to the wrong question, however often a reader is cancelled."""
    async with store.transaction(MARK) as transaction:
        await transaction.write(b"1", [b"a", b"A" * 200_000, b"b", b"B"])
    for delay in (0.0, 0.0001, 0.0005, 0.001):
        for _ in range(20):
            task = asyncio.create_task(store.read([b"a"] * 20))
            await asyncio.sleep(delay)
            task.cancel()
            assert await store.read([b"b"]) == [b"B"]


async def test_expiring_values_expire(store: Store, redis_url: str) -> None:
    """Each with its seconds to live."""
    await store.write_expiring([(b"imp:1", b"x"), (b"imp:2", b"y")], 120)
    await store.write_expiring([], 120)
    with redis.Redis.from_url(redis_url) as client:
        assert [100 < client.ttl(name) <= 120 for name in ("imp:1", "imp:2")] == [True, True]
    assert await store.read([b"imp:2"]) == [b"y"]


async def test_empty_tells_whether_there_is_any_key(store: Store) -> None:
    """Replay asks before it begins."""
    assert await store.empty()
    async with store.transaction(MARK) as transaction:
        await transaction.write(b"1", [])
    assert not await store.empty()


async def test_a_refused_write_is_an_error_and_the_conversation_goes_on(store: Store, redis_url: str) -> None:
    """Refused when it runs (a key without a value), or before (no memory): raised, and nothing is stored."""
    with pytest.raises(ResponseError, match="mset"):
        await written(store, b"a", b"A", b"odd")
    await store.ping()
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(ResponseError, match="maxmemory"):
                await written(store, b"a", b"A")
        finally:
            client.config_set("maxmemory", 0)
    assert await store.read([b"a", MARK]) == [None, None]
    assert await written(store, b"a", b"A")


async def written(store: Store, *pairs: bytes) -> bool:
    """Store keys and values in one transaction."""
    async with store.transaction(MARK) as transaction:
        return await transaction.write(b"1", pairs)


async def broken(store: Store) -> None:
    """A handler that fails after its reads."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([b"a"])
        raise RuntimeError("handler")


@pytest.mark.servers
async def test_a_server_that_went_away_is_an_error_and_works_again_when_back() -> None:
    """ConnectionError while it is gone, which drivers try again."""
    with RealRedis() as server:
        store = Store(server.redis, timeout_s=1.0)
        await store.ping()
        server.kill9()
        with pytest.raises(RedisConnectionError):
            await store.read([b"a"])
        server.restart()
        assert await store.read([b"a"]) == [None]
        await store.close()
