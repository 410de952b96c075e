"""The batch transport on real Kafka and on the embedded broker: nothing lost, nothing acked too early."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]
from faust.types import TP, StreamT

from bench.servers import RealKafka
from streams.kafka.broadcast import BroadcastReader
from streams.kafka.transport import BatchApp, BatchOptions, BatchProducer, RecordBatch, batch_topic
from tests.support.servers import Broker
from tests.support.transport_apps import Seen, make_app, running, until


def numbered(count: int, start: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    """Records with a number in each."""
    return [(b"k%d" % i, b"v%d" % i) for i in range(start, start + count)]


async def fill(broker: Broker, topic: str, counts: Mapping[int, int]) -> None:
    """Store so many records in each partition."""
    for partition, count in counts.items():
        await broker.produce(topic, numbered(count), partition)


async def test_every_record_arrives_once_and_is_committed(broker: Broker) -> None:
    """All partitions, an empty one among them, in batches no larger than allowed; the commit is the end."""
    counts = {0: 2500, 1: 700, 2: 1}
    topic = await broker.create("all", 4)
    await fill(broker, topic, counts)
    seen = Seen()

    async def work(batch: RecordBatch) -> None:
        assert batch[0][0] == b"k%d" % batch.first_offset
        assert batch.values[-1] == b"v%d" % batch.last_offset
        assert len(batch) <= 200
        seen.note(batch)

    async with running(make_app(broker, topic, work)) as app:
        await until(lambda: seen.missing(counts) == 0)
        await until(lambda: app.lags() == {TP(topic, p): 0 for p in range(4)})
    assert seen.exactly_once(counts)
    assert await broker.committed(broker.name("group"), topic) == counts


async def test_a_batch_whose_agent_raised_comes_again_and_is_not_committed_before(broker: Broker) -> None:
    """The same records with the next attempt number, before any later batch; nothing is lost or repeated."""
    counts = {0: 1000}
    topic = await broker.create("raise")
    await fill(broker, topic, counts)
    seen = Seen()
    tried: list[tuple[int, int, int]] = []
    committed_then: list[int] = []

    async def work(batch: RecordBatch) -> None:
        tried.append((batch.first_offset, batch.next_offset, batch.attempt))
        if batch.first_offset <= 500 < batch.next_offset and batch.attempt < 3:
            await asyncio.sleep(0.6)  # time for a commit that must not pass this batch
            committed_then.append((await broker.committed(broker.name("group"), topic)).get(0, 0))
            raise RuntimeError("the agent fails on purpose")
        seen.note(batch)

    async with running(make_app(broker, topic, work)):
        await until(lambda: seen.missing(counts) == 0)
    assert seen.exactly_once(counts)
    failed = [attempt for attempt in tried if attempt[0] <= 500 < attempt[1]]
    first, end, _ = failed[0]
    assert failed == [(first, end, 1), (first, end, 2), (first, end, 3)]
    assert tried.index(failed[2]) == tried.index(failed[0]) + 2
    assert committed_then == [first, first]


async def test_batches_that_wait_are_joined_and_done_together(broker: Broker) -> None:
    """Records that come one by one while the agent works are one batch, also after it raised on them."""
    topic = await broker.create("join", 2)
    counts = {0: 61, 1: 3}
    seen = Seen()
    begun = asyncio.Event()
    tried: list[tuple[int, int, int]] = []

    async def work(batch: RecordBatch) -> None:
        assert len(batch) <= 40
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(2.0)
        tried.append((batch.first_offset, batch.next_offset, batch.attempt))
        if batch.tp.partition == 0 and batch.first_offset == 1 and batch.attempt == 1:
            raise RuntimeError("the agent fails on purpose")
        seen.note(batch)

    async with running(make_app(broker, topic, work, max_batch=40)) as app:
        await broker.produce(topic, numbered(1), 0)
        await asyncio.wait_for(begun.wait(), 10)
        for number in range(1, 61):
            await broker.produce(topic, numbered(1, number), 0)
            if number % 20 == 0:
                await broker.produce(topic, numbered(1, number // 20 - 1), 1)
        await until(lambda: seen.missing(counts) == 0)
        await until(lambda: app.lags() == {TP(topic, p): 0 for p in range(2)})
    assert seen.exactly_once(counts)
    assert tried[1] == (*tried[2][:2], 1)
    assert tried[2][2] == 2
    assert len(seen.batches) < 20
    assert await broker.committed(broker.name("group"), topic) == counts


async def test_stopping_finishes_and_commits_what_is_in_work(broker: Broker) -> None:
    """A worker stopped in mid-stream, and the next one, do each record once between them."""
    counts = {0: 2000, 1: 2000}
    topic = await broker.create("stop", 2)
    await fill(broker, topic, counts)
    seen = Seen()

    async def slow(batch: RecordBatch) -> None:
        await asyncio.sleep(0.03)
        seen.note(batch)

    async with running(make_app(broker, topic, slow, max_batch=50)):
        await until(lambda: len(seen.batches) >= 7)
    assert seen.missing(counts) > 0
    async with running(make_app(broker, topic, slow, max_batch=500)):
        await until(lambda: seen.missing(counts) == 0)
    assert seen.exactly_once(counts)


async def test_an_agent_that_hangs_delays_the_end_only_for_so_long(real_broker: Broker) -> None:
    """After ``drain_timeout`` the worker ends; what hung is not committed, and comes again."""
    broker = real_broker
    topic = await broker.create("hang")
    await fill(broker, topic, {0: 400})
    seen = Seen()

    async def hang(batch: RecordBatch) -> None:
        if batch.first_offset >= 200:
            await asyncio.sleep(3600)
        seen.note(batch)

    app = make_app(broker, topic, hang, drain_timeout=0.5)
    await app.start()
    await until(lambda: (0, 199) in seen.offsets)
    assert app.lags() == {TP(topic, 0): 200}
    began = monotonic()
    await app.stop()
    assert monotonic() - began < 5
    assert await broker.committed(broker.name("group"), topic) == {0: 200}

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    async with running(make_app(broker, topic, work)):
        await until(lambda: seen.missing({0: 400}) == 0)
    assert seen.exactly_once({0: 400})


async def test_producer_worker_and_reader_authenticate_by_sasl(kafka: RealKafka, real_broker: Broker) -> None:
    """One mapping of aiokafka's arguments serves all three; a wrong password is refused by the broker."""
    security: dict[str, Any] = {**kafka.sasl}
    address = security.pop("bootstrap_servers")
    topic = await real_broker.create("sasl", cleanup_policy="compact")
    got, read = Seen(), asyncio.Event()
    app = BatchApp(real_broker.name("sasl"), bootstrap=address, kafka=security, web_enabled=False)

    @app.agent(batch_topic(app, topic))
    async def agent(batches: StreamT[Any]) -> None:
        async for batch in batches:
            got.note(batch)

    async with (
        BatchProducer(address, **security) as producer,
        BroadcastReader(topic, address, lambda _pairs: read.set(), **security),
        running(app),
    ):
        await (await producer.send(topic, b"k", b"v"))
        await until(lambda: got.exactly_once({0: 1}) and read.is_set())
    # aiokafka logs the broker's reason and raises that it could not connect
    with pytest.raises(KafkaConnectionError):
        await BatchProducer(address, **{**security, "sasl_plain_password": "wrong"}).start()


async def test_a_hook_that_raises_ends_the_worker(real_broker: Broker) -> None:
    """Nothing is delivered from a place that nobody vouched for."""
    broker = real_broker
    topic = await broker.create("hook")
    await fill(broker, topic, {0: 10})
    seen = Seen()

    async def start_offsets(_tps: set[TP]) -> dict[TP, int]:
        raise ConnectionError("Redis is away")

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    app = make_app(broker, topic, work, start_offsets=start_offsets)
    starting = asyncio.create_task(app.start())
    await until(lambda: app.crashed)
    assert str(app.crash_reason) == "Redis is away"
    await app.stop()
    await starting
    assert not seen.offsets


async def test_start_offsets_win_over_committed_ones_and_hooks_come_first(broker: Broker) -> None:
    """A given offset is where its partition starts; -1 and absent ones go on after the commit."""
    counts = {0: 300, 1: 300, 2: 300}
    topic = await broker.create("starts", 3)
    await fill(broker, topic, counts)
    seen, again = Seen(), Seen()
    order: list[str] = []

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    async with running(make_app(broker, topic, work)):
        await until(lambda: seen.missing(counts) == 0)

    async def on_assigned(tps: set[TP]) -> None:
        order.append(f"assigned {len(tps)}")

    async def start_offsets(tps: set[TP]) -> dict[TP, int]:
        order.append("starts")
        assert tps == {TP(topic, p) for p in counts}
        return {TP(topic, 0): 123, TP(topic, 1): -1}

    async def work_again(batch: RecordBatch) -> None:
        order.append("batch")
        again.note(batch)

    app = make_app(broker, topic, work_again, on_assigned=on_assigned, start_offsets=start_offsets)
    async with running(app):
        await until(lambda: (0, 299) in again.offsets)
        await broker.produce(topic, numbered(10, 300), 2)
        await until(lambda: (2, 309) in again.offsets)
    assert order[:3] == ["assigned 3", "starts", "batch"]
    assert sorted(again.offsets) == [(0, i) for i in range(123, 300)] + [(2, i) for i in range(300, 310)]


async def test_a_second_worker_takes_over_partitions_and_nothing_is_lost_or_repeated(broker: Broker) -> None:
    """Work in progress is done and committed before its partition goes; hooks see what comes and goes."""
    counts = dict.fromkeys(range(4), 1500)
    topic = await broker.create("join", 4)
    await fill(broker, topic, counts)
    seen = [Seen(), Seen()]
    revoked: list[set[TP]] = []

    def app(number: int) -> BatchApp:
        async def work(batch: RecordBatch) -> None:
            await asyncio.sleep(0.01)
            seen[number].note(batch)

        async def on_revoked(tps: set[TP]) -> None:
            revoked.append(tps)

        return make_app(broker, topic, work, max_batch=20, on_revoked=on_revoked)

    both = Seen()
    async with running(app(0)):
        await until(lambda: len(seen[0].batches) > 20)
        async with running(app(1)):
            await until(lambda: len(seen[0].offsets | seen[1].offsets) == 6000, 40)
    both.offsets = seen[0].offsets + seen[1].offsets
    assert both.exactly_once(counts)
    second = {partition for partition, *_ in seen[1].batches}
    assert second
    assert second <= {0, 1} or second <= {2, 3}
    assert {TP(topic, p) for p in counts} in revoked


async def test_rewinding_a_partition_reads_it_again_and_leaves_the_others_alone(broker: Broker) -> None:
    """An agent that lost a watermark compare asks where to go on; its batch in work counts for nothing."""
    counts = {0: 1000, 1: 1000}
    topic = await broker.create("rewind", 2)
    await fill(broker, topic, counts)
    seen = Seen()
    rewound: list[int] = []

    async def start_offsets(tps: set[TP]) -> dict[TP, int]:
        return dict.fromkeys(tps, 250 if rewound else 0)

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)
        if batch.tp.partition == 0 and batch.last_offset >= 500 and not rewound:
            rewound.append(batch.next_offset)
            await app.rewind({batch.tp})
        await asyncio.sleep(0.005)

    app = make_app(broker, topic, work, max_batch=100, start_offsets=start_offsets)
    async with running(app):
        await until(lambda: seen.offsets[0, 999] > 0 and seen.missing(counts) == 0)
        await until(lambda: bool(rewound) and seen.offsets[0, 250] == 2)
    twice = {place for place, times in seen.offsets.items() if times == 2}
    assert twice == {(0, offset) for offset in range(250, rewound[0])}
    assert max(seen.offsets.values()) == 2
    assert await broker.committed(broker.name("group"), topic) == counts


async def test_what_is_in_work_stays_within_its_limits(real_broker: Broker) -> None:
    """An agent that hangs makes fetching stop at the limit plus one fetch, and go on when it is free."""
    broker = real_broker  # Tansu sends all it has in one fetch
    topic = await broker.create("limits")
    counts = {0: 20_000}
    await fill(broker, topic, counts)
    seen = Seen()
    free = asyncio.Event()

    async def work(batch: RecordBatch) -> None:
        await free.wait()
        seen.note(batch)

    app = make_app(broker, topic, work, max_batch=100, max_partition_fetch_bytes=1 << 14, max_inflight_records=1000)
    async with running(app):
        windows = app.consumer._windows  # type: ignore[attr-defined]
        await until(lambda: TP(topic, 0) in windows and windows[TP(topic, 0)].records >= 1000)
        await asyncio.sleep(0.3)
        held = windows[TP(topic, 0)].records
        free.set()
        await until(lambda: seen.missing(counts) == 0)
    assert seen.exactly_once(counts)
    # The producer's batches are at most 256 KiB, and a fetch holds at least one whole batch.
    assert 1000 <= held < 15_000


async def test_the_size_of_batches_can_follow_the_load(broker: Broker) -> None:
    """A callable is asked at every fetch."""
    topic = await broker.create("sizes")
    counts = {0: 300}
    await fill(broker, topic, counts)
    seen = Seen()
    size = [10]

    async def work(batch: RecordBatch) -> None:
        assert len(batch) <= size[0]
        seen.note(batch)

    async with running(make_app(broker, topic, work, max_batch=lambda: size[0])):
        await until(lambda: seen.missing(counts) == 0)
        assert len(seen.batches) == 30
        size[0] = 100
        await broker.produce(topic, numbered(300, 300))
        await until(lambda: seen.missing({0: 600}) == 0)
    assert len(seen.batches) == 33


@asynccontextmanager
async def worker_process(broker: Broker, topic: str) -> AsyncIterator[Process]:
    """A worker of its own on uvloop, that prints partition, first and next offset of each batch it did."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.transport_worker", broker.kafka, broker.prefix, topic,
        str(broker.fetch_max_wait_ms), "tansu" if broker.tansu else "kafka", stdout=PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_batches(process: Process, seen: Seen, enough: int) -> None:
    """Note what the worker printed, until so many batches or its end."""
    assert process.stdout is not None
    while enough and (line := await asyncio.wait_for(process.stdout.readline(), 20)):
        partition, first, end = map(int, line.split())
        seen.offsets.update((partition, offset) for offset in range(first, end))
        enough -= 1


async def test_sigterm_loses_and_repeats_nothing(broker: Broker) -> None:
    """A worker on uvloop ends cleanly on SIGTERM; the next worker goes on right after it."""
    counts = {0: 2000, 1: 2000}
    topic = await broker.create("sigterm", 2)
    await fill(broker, topic, counts)
    seen = Seen()
    async with worker_process(broker, topic) as process:
        await read_batches(process, seen, 10)
        process.send_signal(signal.SIGTERM)
        await read_batches(process, seen, 10_000)
        assert await asyncio.wait_for(process.wait(), 10) == 0

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    assert seen.missing(counts) > 0
    async with running(make_app(broker, topic, work)):
        await until(lambda: seen.missing(counts) == 0)
    assert seen.exactly_once(counts)


async def test_a_killed_worker_loses_nothing(real_broker: Broker) -> None:
    """After kill -9 another worker gets the partitions and does all that was not committed."""
    broker = real_broker
    counts = {0: 2000, 1: 2000}
    topic = await broker.create("kill", 2)
    await fill(broker, topic, counts)
    seen = Seen()

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    async with worker_process(broker, topic) as process:
        await read_batches(process, seen, 20)
        process.kill()
        await process.wait()
    assert seen.missing(counts) > 0
    async with running(make_app(broker, topic, work)):
        await until(lambda: seen.missing(counts) == 0)
    assert await broker.committed(broker.name("group"), topic) == counts


async def test_the_commit_goes_past_transaction_markers(real_broker: Broker) -> None:
    """A marker takes an offset but is no record: the lag still comes to zero."""
    broker = real_broker
    topic = await broker.create("txn")
    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka, transactional_id=broker.name("txn"))
    await producer.start()
    try:
        for _ in range(3):
            async with producer.transaction():
                for key, value in numbered(5):
                    await producer.send(topic, value, key=key)
    finally:
        await producer.stop()
    seen = Seen()

    async def work(batch: RecordBatch) -> None:
        seen.note(batch)

    async with running(make_app(broker, topic, work, max_batch=4)):
        await until(lambda: len(seen.offsets) == 15)
        await asyncio.sleep(0.1)
    assert sorted(offset for _, offset in seen.offsets) == [*range(5), *range(6, 11), *range(12, 17)]
    assert await broker.committed(broker.name("group"), topic) == {0: 18}


async def test_two_agents_and_a_plain_topic_live_side_by_side(real_broker: Broker) -> None:
    """Each agent of a topic gets every batch, commits wait for both; Faust's own topics still work."""
    broker = real_broker
    topic, plain = await broker.create("two"), await broker.create("plain")
    counts = {0: 900}
    app = BatchApp(
        broker.name("group"),
        bootstrap=broker.kafka,
        options=BatchOptions(commit_interval=0.1),
        web_enabled=False,
    )
    seen = [Seen(), Seen()]
    events: list[str] = []
    free = asyncio.Event()
    shared = batch_topic(app, topic, max_batch=100)

    @app.agent(shared, name="quick")
    async def quick(batches: StreamT[Any]) -> None:
        async for batch in batches:
            seen[0].note(batch)

    @app.agent(shared, name="slow")
    async def slow(batches: StreamT[Any]) -> None:
        async for batch in batches:
            if batch.last_offset >= 300:
                await free.wait()
            seen[1].note(batch)

    @app.agent(app.topic(plain, value_type=str, value_serializer="raw"))
    async def one_by_one(stream: StreamT[Any]) -> None:
        async for event in stream:
            events.append(str(event))

    await fill(broker, topic, counts)
    await broker.produce(plain, numbered(3))
    async with running(app):
        await until(lambda: seen[0].missing(counts) == 0 and len(events) == 3)
        await asyncio.sleep(0.5)
        held = await broker.committed(broker.name("group"), topic)
        assert held == {0: 300}
        free.set()
        await until(lambda: seen[1].missing(counts) == 0)
    assert seen[0].exactly_once(counts)
    assert seen[1].exactly_once(counts)
    assert await broker.committed(broker.name("group"), topic) == counts
    assert len(events) == 3
