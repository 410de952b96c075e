"""1,000 records that cannot be used on each topic, internal ones too: nothing ends, and what is good is handled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from bench.servers import RealKafka, RealRedis
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.lookup.broadcast_records import bad_records, repair
from streams.offline.replay import replay
from streams.settings import Settings
from tests.integration.test_exactness import EXACT, integers
from tests.support.faults import SMALL, asking, log, told, until
from tests.support.poison import COUNT, TOPICS, poison
from tests.support.small_log import lines
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled, stored

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]
BROADCAST = ("catalogue", "queries", "rules", "ranker_weights")


def counted(worker: WorkerProcess, settings: Settings) -> dict[str, int]:
    """How many records of each topic a worker has counted as not usable: dead letters, or skipped."""
    named = topics(settings.partitions, settings.topic_prefix)
    page = (worker.page("metrics") or "").splitlines()

    def total(topic: str) -> int:
        metric = "bad_records" if topic in BROADCAST else "dead_letters"
        found = [
            float(line.rsplit(" ", 1)[1])
            for line in page
            if line.startswith(f"streamrank_{metric}_total{{") and f'topic="{getattr(named, topic).name}"' in line
        ]
        return int(sum(found))

    return {topic: total(topic) for topic in TOPICS}


async def send_poison(settings: Settings) -> None:
    """Publish what cannot be used, to all topics in turn."""
    named = topics(settings.partitions, settings.topic_prefix)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    try:
        sent = []
        for topic in TOPICS:
            spec = getattr(named, topic)
            for number, record in enumerate(poison(topic, settings.partitions)):
                partition = number % spec.partitions
                sent.append(await producer.send(spec.name, record.value, key=record.key, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def test_a_thousand_poison_records_on_each_topic_end_nothing(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Every one is counted once, by its topic; behaviour between them counts; a new worker starts; repair mends."""
    settings = deployment(kafka, redis_server, topic_prefix, 1)
    raw = log(SMALL)
    await create_topics(settings)
    with WorkerProcess(settings) as worker:
        await publish_lines(raw[:1_000], settings, tmp_path, worker.items)
        await settled(settings)
        began = monotonic()
        await send_poison(settings)
        await publish_lines(raw[1_000:], settings, tmp_path)
        try:
            await until(lambda: sum(counted(worker, settings).values()) >= COUNT * len(TOPICS), "all counted", 90)
        except AssertionError:
            pytest.fail(f"counted {counted(worker, settings)}")
        await settled(settings)
        seconds = round(monotonic() - began, 1)
        assert counted(worker, settings) == dict.fromkeys(TOPICS, COUNT)
        assert worker.readiness() == (200, [])
        items = worker.metric("streamrank_catalogue_items")
        async with asking(settings) as queries:
            await queries.ask(40)
            await queries.answered()
            assert all(answer.error is None and answer.items for answer in queries.last.values())
        worker.kill9()
        worker.restart()
        assert worker.metric("streamrank_catalogue_items") == items == 80
        assert worker.readiness() == (200, [])
        left = await bad_records(settings)
        assert {one.topic for one in left} == set(BROADCAST)
        repaired = await repair(settings)
        assert len(repaired) == len(left)
        assert {one.by for one in repaired if one.key in ("p1", "p2", "p3")} == {"source"}
        assert await bad_records(settings) == []
        assert worker.terminate() == 0
    told("poison", records=COUNT * len(TOPICS), seconds=seconds, counted=COUNT * len(TOPICS), repaired=len(repaired))
    smooth = deployment(kafka, redis_server, topic_prefix, 2)
    await replay(lines(raw), smooth, smooth.redis)
    without_offsets = [pattern for pattern in EXACT if not pattern.startswith("wm:")]
    assert stored(settings.redis, *without_offsets) == stored(smooth.redis, *without_offsets)
    assert integers(settings.redis) == integers(smooth.redis)
