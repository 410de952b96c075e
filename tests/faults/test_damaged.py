"""Batches whose bytes were changed, on the broker's disk and on their way: set aside whole, or fetched again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

import pytest

from bench.servers import RealKafka, RealRedis
from streamrank_client.events import Click, Item, Query, encode
from streamrank_client.following import following, records
from streamrank_client.kafka_options import kafka_options
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import TopicSpec
from streams.kafka.admin import create_topics
from streams.kafka.transport import BatchProducer
from streams.lookup.doctor import diagnose
from streams.offline.replay import replay
from streams.settings import Settings
from tests.support.proxy import Proxy
from tests.support.small_log import START, lines
from tests.support.worker_process import WorkerProcess, deployment, settled, stored

USER = "u1"
STATE = ("ctx:*", "own:*")


def clicks(name: str, first: int, count: int = 3) -> list[bytes]:
    """A batch's events; the name stands in each of them."""
    return [
        encode(Click(time=START + 1_000 * n, event_id=f"{name}-{n}", user_id=USER, item_id=f"p{n}"))
        for n in range(first, first + count)
    ]


async def publish(settings: Settings, spec: TopicSpec, *batches: Sequence[bytes]) -> list[int]:
    """Publish batches to the user's partition, each whole; the first offset of each."""
    options = dict(kafka_options(settings))
    async with BatchProducer(options.pop("bootstrap_servers"), **options) as producer:  # type: ignore[arg-type]
        offsets = []
        for batch in batches:
            pairs = [(USER.encode(), value) for value in batch]
            sent = await producer.send_many(spec.name, partition_for(USER.encode(), spec.partitions), pairs)
            offsets.append((await sent[0]).offset)
        return offsets


def damage(kafka: RealKafka, spec: TopicSpec, marker: bytes) -> bytes:
    """Change a byte in the broker's file; the whole batch in which the marker stands, as it lies there now."""
    folder = kafka.folder / "data" / f"{spec.name}-{partition_for(USER.encode(), spec.partitions)}"
    (segment,) = folder.glob("*.log")
    held, at = segment.read_bytes(), 0
    while at < len(held):
        end = at + 12 + int.from_bytes(held[at + 8 : at + 12], "big")
        place = held.find(marker, at, end)
        if place >= 0:
            with segment.open("r+b") as file:
                file.seek(place)
                file.write(b"#")
            return segment.read_bytes()[at:end]
        at = end
    raise AssertionError(f"no batch of {segment} has {marker!r}")


async def kept(settings: Settings, count: int) -> dict[str, bytes]:
    """What was set aside: so many records, by their names."""
    found: list[tuple[str, bytes]] = []
    async with following(settings, settings.topics.damaged_batches.name, from_start=True) as consumer:
        async for record in records(consumer):
            found.append((record.key.decode(), record.value))
            if len(found) == count:
                return dict(found)
    raise AssertionError


async def test_a_batch_that_lies_damaged_on_the_brokers_disk_is_set_aside_whole_and_the_stream_goes_on(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str
) -> None:
    """The events around it count, its own do not: the state is that of a log without them; told by log, metric and
    doctor, under its offsets. One that nothing follows is passed for good: no worker that starts finds it again."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=2)
    await create_topics(settings)
    behavior = settings.topics.behavior_events
    place = partition_for(USER.encode(), settings.partitions)
    sound = [clicks("one", 0), clicks("three", 6)]
    first, bad, *_ = await publish(settings, behavior, sound[0], clicks("two", 3), sound[1])
    bad_raw = damage(kafka, behavior, b"two-4")
    name = f"{behavior.name}[{place}] {bad}-{bad + 2}"
    metric = f'streamrank_damaged_batches_total{{topic="{behavior.name}"}}'
    with WorkerProcess(settings) as worker:
        await settled(settings)
        assert await kept(settings, 1) == {name: bad_raw}
        assert (first, bad) == (0, 3)
        assert worker.metric(metric) == 1
        assert worker.readiness()[0] == 200
        assert sum("set aside" in line and name in line for line in worker.log.splitlines()) == 1
        told = [check for check in await diagnose(settings) if check.name == "damaged batches"]
        assert [(check.state, name in check.message) for check in told] == [("warn", True)]
        worker.kill9()
    # nothing follows this one
    (end,) = await publish(settings, behavior, clicks("four", 9))
    end_raw = damage(kafka, behavior, b"four-9")
    end_name = f"{behavior.name}[{place}] {end}-{end + 2}"
    with WorkerProcess(settings) as worker:
        assert await asyncio.wait_for(kept(settings, 2), 60) == {name: bad_raw, end_name: end_raw}
        await settled(settings)
        worker.kill9()
    with WorkerProcess(settings) as worker:
        sound.append(clicks("five", 12))
        await publish(settings, behavior, sound[-1])
        await settled(settings)
        assert worker.metric(metric) == 0
        assert worker.terminate() == 0
    smooth = deployment(kafka, redis_server, topic_prefix, 2)
    await replay(lines([value for batch in sound for value in batch]), smooth, smooth.redis)
    assert stored(settings.redis, *STATE) == stored(smooth.redis, *STATE)


@pytest.mark.parametrize("which", ["query_events", pytest.param("item_events", marks=pytest.mark.soak)])
async def test_a_damaged_batch_of_queries_or_items_stops_nobody(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, which: str
) -> None:
    """What follows it on its partition is handled."""
    settings = deployment(kafka, redis_server, topic_prefix, 3)
    await create_topics(settings)
    spec: TopicSpec = getattr(settings.topics, which)
    made = {
        "query_events": [encode(Query(time=START, request_id=name, user_id=USER)) for name in ("lost", "good")],
        "item_events": [encode(Item(time=START, item_id=USER, title=name)) for name in ("lost", "good")],
    }
    await publish(settings, spec, *[[value] for value in made[which]])
    raw = damage(kafka, spec, b"lost")
    with WorkerProcess(settings) as worker:
        assert list((await kept(settings, 1)).values()) == [raw]
        if which == "item_events":
            deadline = monotonic() + 30
            while worker.items() != 1:
                assert monotonic() < deadline
                await asyncio.sleep(0.05)
        else:
            async with following(settings, settings.topics.recommendations.name, from_start=True) as consumer:
                async for record in records(consumer):
                    assert dict(record.headers)["request_id"] == b"good"
                    break
        assert worker.terminate() == 0


async def test_bytes_that_change_on_their_way_are_fetched_again(
    proxied_kafka: tuple[RealKafka, Proxy], redis_server: RealRedis, topic_prefix: str
) -> None:
    """Twice wrong, then right: nothing is set aside, and every event counts."""
    kafka, proxy = proxied_kafka
    settings = deployment(kafka, redis_server, topic_prefix, 4)
    await create_topics(settings)
    behavior = settings.topics.behavior_events
    await publish(settings, behavior, clicks("one", 0), clicks("on-its-way", 3), clicks("three", 6))
    changed = 0

    def look(to_server: bool, data: bytes) -> tuple[bytes, bool]:
        nonlocal changed
        if not to_server and changed < 2 and b"on-its-way-4" in data:
            changed += 1
            data = data.replace(b"on-its-way-4", b"on-its-way-#")
        return data, False

    proxy.look = look
    try:
        with WorkerProcess(replace(settings, kafka=f"127.0.0.1:{proxy.port}")) as worker:
            await settled(settings)
            assert changed == 2
            assert worker.metric(f'streamrank_damaged_batches_total{{topic="{behavior.name}"}}') == 0
            assert "fetched again" in worker.log
            assert worker.terminate() == 0
    finally:
        proxy.look = lambda _, data: (data, False)
    smooth = deployment(kafka, redis_server, topic_prefix, 5)
    sound = [*clicks("one", 0), *clicks("on-its-way", 3), *clicks("three", 6)]
    await replay(lines(sound), smooth, smooth.redis)
    assert stored(settings.redis, *STATE) == stored(smooth.redis, *STATE)
