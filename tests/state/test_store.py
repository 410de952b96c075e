"""The store on a real Redis: batches with their watermark, all or nothing; values that cannot be read kept aside."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pytest
import pytest_asyncio
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bench.servers import RealRedis
from state import keys, records
from state.layouts import NewerLayout, StoredValueError, UnreadableMark, UnreadableValue, packed, unpacked
from state.marks import source_mark
from state.server import Talk
from state.store import BAD, Store

pytestmark = pytest.mark.servers

MARK: Final = keys.watermark(0, "topic")
#: keys whose values may be any bytes but none
A, B, C = (b"imp:{0}:%b" % name for name in (b"a", b"b", b"c"))
COUNT: Final = keys.counts(1, 7)
BLANK: Final = bytes(records.COUNT.itemsize)


def mark(next_: int) -> bytes:
    """A watermark that stands there."""
    return source_mark(None, 1).moved(next_).stored()


@pytest.fixture
def told() -> list[tuple[bytes, str]]:
    """What the store tells of values that it kept aside."""
    return []


@pytest_asyncio.fixture
async def store(redis_url: str, told: list[tuple[bytes, str]]) -> AsyncIterator[Store]:
    """A store on an empty database."""
    made = Store(redis_url, on_unreadable=lambda key, reason: told.append((key, reason)))
    yield made
    await made.close()


@pytest.fixture
def raw(redis_url: str) -> Iterator[redis.Redis]:
    """The same database without layouts."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


def held(raw: redis.Redis) -> dict[Any, Any]:
    """All that Redis holds."""
    names = sorted(raw.scan_iter())
    return dict(zip(names, raw.mget(names), strict=True))


async def test_a_batch_is_stored_with_its_watermark(store: Store) -> None:
    """Values in the order of their keys, None for what is not there, any bytes."""
    every = bytes(range(256))
    async with store.transaction(MARK) as transaction:
        assert await transaction.read([A, b"own:{0}:u1"]) == (None, [None, None])
        assert await transaction.write(mark(1), [A, every, b"own:{0}:u1", b""])
    assert await store.read([b"own:{0}:u1", B, A, MARK]) == [b"", None, every, mark(1)]
    assert await store.read([]) == []


async def test_a_moved_watermark_stops_the_whole_batch(store: Store) -> None:
    """Nothing of a batch is stored once another worker has stored its own."""
    async with store.transaction(MARK) as mine:
        await mine.read([A])
        async with store.transaction(MARK) as other:
            assert await other.write(mark(2), [A, b"other"])
        assert not await mine.write(mark(1), [A, b"mine", B, b"mine"])
    assert await store.read([MARK, A, B]) == [mark(2), b"other", None]


async def test_a_watermark_written_with_the_same_value_counts_as_moved(store: Store) -> None:
    """WATCH sees the write, not the value."""
    async with store.transaction(MARK) as first:
        assert await first.write(mark(1), [])
    async with store.transaction(MARK) as mine:
        await mine.read([])
        async with store.transaction(MARK) as other:
            assert await other.write(mark(1), [A, b"other"])
        assert not await mine.write(mark(2), [A, b"mine"])


async def test_a_transaction_left_without_a_write_watches_no_longer(store: Store) -> None:
    """The next one on the same connection is not disturbed by it."""
    async with store.transaction(MARK) as left:
        await left.read([A])
    async with store.transaction(MARK) as other:
        assert await other.write(mark(1), [])
    async with store.transaction(keys.watermark(0, "else")) as next_:
        assert await next_.write(mark(1), [])


async def test_an_exception_inside_a_transaction_stores_nothing(store: Store) -> None:
    """The connection is closed with its watch, and the store works on."""
    with pytest.raises(RuntimeError, match="handler"):
        await broken(store)
    assert await store.read([MARK, A]) == [None, None]


async def test_a_cancelled_read_leaves_no_half_conversation(store: Store) -> None:
    """Answers never go to the wrong question, however often a reader is cancelled."""
    async with store.transaction(MARK) as transaction:
        await transaction.write(mark(1), [A, b"A" * 200_000, B, b"B"])
    for delay in (0.0, 0.0001, 0.0005, 0.001):
        for _ in range(20):
            task = asyncio.create_task(store.read([A] * 20))
            await asyncio.sleep(delay)
            task.cancel()
            assert await store.read([B]) == [b"B"]


async def test_expiring_values_expire(store: Store, raw: redis.Redis) -> None:
    """Each with its seconds to live."""
    await store.write_expiring([(A, b"x"), (B, b"y")], 120)
    await store.write_expiring([], 120)
    assert [100 < raw.ttl(name) <= 120 for name in (A, B)] == [True, True]
    assert await store.read([B]) == [b"y"]


async def test_empty_tells_whether_there_is_any_key(store: Store) -> None:
    """Replay asks before it begins."""
    assert await store.empty()
    async with store.transaction(MARK) as transaction:
        await transaction.write(mark(1), [])
    assert not await store.empty()


async def test_a_refused_write_is_an_error_and_the_conversation_goes_on(store: Store, raw: redis.Redis) -> None:
    """For want of memory: raised, and nothing is stored; the same connection serves the next batch."""
    raw.config_set("maxmemory", 1)
    try:
        with pytest.raises(ResponseError, match="maxmemory"):
            await written(store, A, b"A")
    finally:
        raw.config_set("maxmemory", 0)
    assert await store.read([A, MARK]) == [None, None]
    assert await written(store, A, b"A")


async def written(store: Store, *pairs: bytes) -> bool:
    """Store keys and values in one transaction."""
    async with store.transaction(MARK) as transaction:
        return await transaction.write(mark(1), pairs)


async def broken(store: Store) -> None:
    """A handler that fails after its reads."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([A])
        raise RuntimeError("handler")


async def test_values_are_stored_with_their_layouts_header_and_read_without(store: Store, raw: redis.Redis) -> None:
    """In a transaction, and where they expire."""
    await written(store, COUNT, BLANK)
    await store.write_expiring([(A, b"x")], 100)
    assert held(raw) == {COUNT: packed(COUNT, BLANK), MARK: packed(MARK, mark(1)), A: packed(A, b"x")}
    assert await store.read([COUNT, A]) == [BLANK, b"x"]


async def test_a_transaction_stores_an_older_value_again_in_todays_layout(store: Store, raw: redis.Redis) -> None:
    """A value and a watermark of version 1 are read as today's; reading leaves them, writing makes them today's."""
    first = {MARK: np.array([41, 7], "<i8").tobytes(), COUNT: bytes(88)}
    raw.mset(first)
    async with store.transaction(MARK) as transaction:
        stored, values = await transaction.read([COUNT])
        assert (stored, values) == (np.array([42, 7], "<i8").tobytes(), [BLANK])
        assert held(raw) == first
        assert await transaction.write(mark(50), [COUNT, BLANK])
    assert held(raw) == {MARK: packed(MARK, mark(50)), COUNT: packed(COUNT, BLANK)}


async def test_a_value_that_is_none_of_its_layout_is_kept_aside_once(
    store: Store, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """It counts as absent from the first read on; what it was lies under another key, and is told of once."""
    raw.set(COUNT, b"12345")
    raw.set(A, b"{json}")
    assert await store.read([COUNT, B, A]) == [None, None, None]
    assert held(raw) == {BAD + COUNT: b"12345", BAD + A: b"{json}"}
    assert told == [(COUNT, "5 bytes that are none of its layout"), (A, "6 bytes that are none of its layout")]
    assert await store.read([COUNT]) == [None]
    assert len(told) == 2
    assert await written(store, COUNT, BLANK)
    assert await store.read([COUNT]) == [BLANK]
    assert raw.get(BAD + COUNT) == b"12345"


async def test_many_readers_of_a_bad_value_keep_it_aside_once(
    store: Store, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """Whoever comes first moves it; the others find it gone, and tell nothing."""
    raw.set(COUNT, b"12345")
    assert await asyncio.gather(*(store.read([COUNT]) for _ in range(20))) == [[None]] * 20
    assert held(raw) == {BAD + COUNT: b"12345"}
    assert len(told) == 1


async def test_a_bad_value_in_a_transaction_is_kept_aside_and_the_batch_goes_on(store: Store, raw: redis.Redis) -> None:
    """The watermark is watched, not the value: the batch writes a new one in its place."""
    raw.set(COUNT, b"12345")
    async with store.transaction(MARK) as transaction:
        assert await transaction.read([COUNT]) == (None, [None])
        assert await transaction.write(mark(1), [COUNT, BLANK])
    assert await store.read([COUNT]) == [BLANK]
    assert raw.get(BAD + COUNT) == b"12345"


@pytest.mark.parametrize("before", [b"WATCH", b"MULTI"])
async def test_a_value_that_has_changed_meanwhile_is_not_kept_aside(
    store: Store,
    raw: redis.Redis,
    told: list[tuple[bytes, str]],
    monkeypatch: pytest.MonkeyPatch,
    before: bytes,
) -> None:
    """What another worker has stored since the read stays, also if it came after a second look; nothing is told."""
    raw.set(COUNT, b"12345")
    say = Talk.say

    async def late(talk: Talk, commands: Sequence[tuple[bytes, ...]]) -> list[object]:
        if commands[0][0] == before:
            raw.set(COUNT, packed(COUNT, BLANK))
        return await say(talk, commands)

    monkeypatch.setattr(Talk, "say", late)
    assert await store.read([COUNT]) == [None]
    assert await store.read([COUNT]) == [BLANK]
    assert held(raw) == {COUNT: packed(COUNT, BLANK)}
    assert told == []


async def test_watermarks_ids_and_newer_values_raise_and_stay(
    store: Store, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """Nothing of them is moved, and where they are left out they count as absent."""
    ids, newer = keys.event_ids(0, 3), b"\x03\x01x"
    before = {MARK: b"12345", ids: bytes(9), A: newer, COUNT: packed(COUNT, BLANK)}
    raw.mset(before)
    for name, error in ((MARK, UnreadableMark), (ids, UnreadableMark), (A, NewerLayout)):
        with pytest.raises(error) as raised:
            await store.read([COUNT, name])
        assert raised.value.key == name
    left_out: list[StoredValueError] = []
    assert await store.read([MARK, COUNT, ids, A], left_out.append) == [None, BLANK, None, None]
    assert [(error.key, type(error)) for error in left_out] == [
        (MARK, UnreadableMark), (ids, UnreadableMark), (A, NewerLayout),
    ]  # fmt: skip
    with pytest.raises(UnreadableMark):
        await read_in_transaction(store)
    assert held(raw) == before
    assert told == []


async def read_in_transaction(store: Store) -> None:
    """Read a watermark as a stage does."""
    async with store.transaction(MARK) as transaction:
        await transaction.read([COUNT])


async def test_where_redis_takes_no_writes_a_bad_value_is_left_out_or_the_error_told(
    store: Store, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """Who answers goes on without it; who stores waits until it can be kept aside."""
    raw.set(COUNT, b"12345")
    raw.config_set("maxmemory", 1)
    left_out: list[StoredValueError] = []
    try:
        assert await store.read([COUNT], left_out.append) == [None]
        with pytest.raises(ResponseError, match="maxmemory"):
            await store.read([COUNT])
    finally:
        raw.config_set("maxmemory", 0)
    assert [type(error) for error in left_out] == [UnreadableValue]
    assert held(raw) == {COUNT: b"12345"}
    assert told == []


async def test_a_value_that_turned_out_to_be_unusable_is_spoiled(
    store: Store, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """As it is stored; one that is not there is nothing to keep, and one that has changed since it was read stays."""
    await written(store, A, b"another")
    await store.spoil(A, b"no impression", "ValueError: no impression")
    assert await store.read([A]) == [b"another"]
    assert told == []
    await written(store, A, b"no impression")
    await store.spoil(A, b"no impression", "ValueError: no impression")
    await store.spoil(B, b"b", "never there")
    assert held(raw) == {BAD + A: packed(A, b"no impression"), MARK: packed(MARK, mark(1))}
    assert told == [(A, "ValueError: no impression")]


async def test_a_store_that_only_looks_changes_nothing(
    redis_url: str, raw: redis.Redis, told: list[tuple[bytes, str]]
) -> None:
    """Values that cannot be read are absent, and stay; nothing is told of what was not done."""
    before = {COUNT: b"12345", A: packed(A, b"x"), B: b"", MARK: np.array([41, 7], "<i8").tobytes()}
    raw.mset(before)
    looking = Store(redis_url, on_unreadable=lambda key, reason: told.append((key, reason)), look_only=True)
    assert await looking.read([COUNT, A, B]) == [None, b"x", None]
    await looking.spoil(A, b"x", "unusable")
    assert await looking.read([A, MARK]) == [b"x", unpacked(MARK, before[MARK])]
    assert held(raw) == before
    assert told == []
    await looking.close()


@pytest.mark.servers
async def test_a_server_that_went_away_is_an_error_and_works_again_when_back() -> None:
    """ConnectionError while it is gone, which drivers try again."""
    with RealRedis() as server:
        store = Store(server.redis, timeout_s=1.0)
        await store.ping()
        server.kill9()
        with pytest.raises(RedisConnectionError):
            await store.read([A])
        server.restart()
        assert await store.read([A]) == [None]
        await store.close()


@pytest.mark.servers
async def test_a_server_that_takes_connections_and_says_nothing_is_an_error_and_no_reply_is_taken_for_another() -> None:
    """New connections wait for it no longer than others do; afterwards each key has its own value."""
    with RealRedis() as server:
        assert server.process is not None
        store = Store(server.redis.replace("/0", "/3"), timeout_s=0.5)
        server.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(3):
                with pytest.raises(RedisTimeoutError):
                    await asyncio.wait_for(store.ping(), 20)
        finally:
            server.process.send_signal(signal.SIGCONT)
        await store.write([(A, b"a"), (B, b"b")])
        assert await asyncio.gather(*(store.read([A, B]) for _ in range(8))) == [[b"a", b"b"]] * 8
        await store.close()
