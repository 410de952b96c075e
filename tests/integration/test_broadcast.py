"""Compacted topics are read whole, then followed, without holding up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from time import perf_counter

import pytest

from streams.kafka.broadcast import MOST, BroadcastError, BroadcastReader, Skipped
from tests.support.servers import Broker


def reader_of(broker: Broker, topic: str, table: dict[bytes, bytes]) -> BroadcastReader:
    """A reader that keeps the newest value of each key."""

    def apply(pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in pairs:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value

    return BroadcastReader(topic, broker.kafka, apply, fetch_max_wait_ms=broker.fetch_max_wait_ms)


async def until(true: object, seconds: float = 10.0) -> None:
    """Wait until ``true()`` holds."""
    deadline = perf_counter() + seconds
    while not true():  # type: ignore[operator]
        assert perf_counter() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def test_start_returns_when_all_partitions_are_applied_and_follows(broker: Broker) -> None:
    """Keys of every partition are there when start returns, an empty partition holds nothing up."""
    topic = await broker.create("table", 4, cleanup_policy="compact")
    for partition in (0, 1, 3):
        await broker.produce(topic, [(b"%d/%d" % (partition, i), b"v") for i in range(500)], partition)
    table: dict[bytes, bytes] = {}
    reader = reader_of(broker, topic, table)
    await reader.start()
    try:
        assert (len(table), reader.ready, reader.applied) == (1500, True, 1500)
        await broker.produce(topic, [(b"0/7", None), (b"new", b"1")], 2)
        await broker.produce(topic, [(b"0/7", None)], 0)
        await until(lambda: b"new" in table and b"0/7" not in table)
    finally:
        await reader.stop()
    assert not reader.ready
    assert reader.error is None


async def test_an_empty_topic_is_ready_at_once(broker: Broker) -> None:
    """Nothing to read is read within a second."""
    topic = await broker.create("empty", 3, cleanup_policy="compact")
    table: dict[bytes, bytes] = {}
    began = perf_counter()
    async with reader_of(broker, topic, table) as reader:
        assert reader.ready
    assert table == {}
    assert perf_counter() - began < 2.0


async def test_a_large_topic_with_tombstones_loads_whole_without_blocking(broker: Broker) -> None:
    """100,000 records, a third of them tombstones: the table is right, and other tasks run meanwhile."""
    topic = await broker.create("large", 2, cleanup_policy="compact")
    expected: dict[bytes, bytes] = {}
    for partition in range(2):
        records: list[tuple[bytes | None, bytes | None]] = []
        for i in range(50_000):
            key = b"%d/%d" % (partition, i % 20_000)
            value = None if i % 3 == 0 else b"x" * 100 + b"%d" % i
            records.append((key, value))
            if value is None:
                expected.pop(key, None)
            else:
                expected[key] = value
        await broker.produce(topic, records, partition)
    table: dict[bytes, bytes] = {}
    at_turns: list[int] = []

    async def tick(reader: BroadcastReader) -> None:
        while True:
            at_turns.append(reader.applied)
            await asyncio.sleep(0)

    reader = reader_of(broker, topic, table)
    ticking = asyncio.create_task(tick(reader))
    async with reader:
        ticking.cancel()
        assert reader.applied == 100_000
    assert table == expected
    assert max(after - before for before, after in pairwise(at_turns)) <= MOST


async def test_a_record_that_cannot_be_taken_is_skipped_and_told_of(broker: Broker) -> None:
    """Those beside it are taken, now and by the next reader; nothing ends."""
    topic = await broker.create("failing", cleanup_policy="compact")
    taken: list[bytes] = []
    skipped: list[Skipped] = []

    def apply(pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        if any(key == b"bad" for key, _ in pairs):
            raise ValueError("cannot apply it")
        taken.extend(key for key, _ in pairs)

    def reader() -> BroadcastReader:
        wait = broker.fetch_max_wait_ms
        return BroadcastReader(topic, broker.kafka, apply, skip=skipped.append, fetch_max_wait_ms=wait)

    for _ in range(2):
        async with reader() as reading:
            if not taken:
                await broker.produce(topic, [(b"one", b"1"), (b"bad", b"1"), (b"two", b"1")])
            await until(lambda: {b"one", b"two"} == set(taken) and len(skipped) == 1)
            assert reading.ready
            assert reading.error is None
        assert [(one.offset, one.key, one.reason) for one in skipped] == [(1, b"bad", "ValueError: cannot apply it")]
        skipped.clear()


async def test_a_missing_topic_is_an_error_that_says_what_to_do(broker: Broker) -> None:
    """The message names the topic and the command that creates it."""
    reader = BroadcastReader(broker.name("nowhere"), broker.kafka, lambda _pairs: None)
    with pytest.raises(BroadcastError, match=r"nowhere.*streamrank topics create"):
        await reader.start()
