"""What is lost on one side, Redis's or Kafka's, is told and counted; its partitions stop until told to go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
import redis

from bench.servers import RealKafka, RealRedis
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.lookup.doctor import diagnose
from streams.offline.publishing.publish_log import publish_log
from streams.offline.replay import replay
from streams.settings import Settings
from tests.integration.test_exactness import EXACT
from tests.support.faults import SMALL, assert_as_replayed, log, told, trim, until, until_readiness
from tests.support.small_log import lines
from tests.support.worker_process import WorkerProcess, deployment, progress, publish_lines, settled, stored

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def gap_events(worker: WorkerProcess, topic: str) -> int:
    """How many events of a topic a worker has counted as missing."""
    return int(worker.metric(f'streamrank_gap_events_total{{topic="{topic}"}}'))


async def test_an_emptied_redis_stops_its_partitions_until_told_to_go_on(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """FLUSHALL under a running worker: /ready, the metric and the doctor say so; `continue` reads all of it again."""
    raw = log(SMALL)
    with RealRedis() as own:
        settings = replace(deployment(kafka, redis_server, topic_prefix, 1, batch_records=100), redis=own.redis)
        behavior = topics(settings.partitions, settings.topic_prefix).behavior_events.name
        await create_topics(settings)
        with WorkerProcess(settings) as worker:
            await publish_lines(raw[:1_000], settings, tmp_path, worker.items)
            await settled(settings)
            counted = progress(settings, behavior)
            await asyncio.sleep(0.5)  # for the commits
            with redis.Redis.from_url(own.redis) as client:
                client.flushall()
            await publish_lines(raw[1_000:], settings, tmp_path)
            seconds, reasons = await until_readiness(worker, 503)
            assert any("Redis holds no watermark" in one and "STREAMRANK_ON_GAP=continue" in one for one in reasons)
            await until(lambda: gap_events(worker, behavior) == counted, "the gap counted")
            assert progress(settings, behavior) == 0
            await until_diagnosed(settings)
            assert worker.log.count("it was emptied") >= 1
            assert worker.terminate() == 0
        told("FLUSHALL", gap_events=counted, not_ready_after_s=seconds, reasons=reasons[:1])
        with WorkerProcess(replace(settings, on_gap="continue")) as worker:
            await settled(settings)
            assert gap_events(worker, behavior) == counted
            assert worker.terminate() == 0
        await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))


async def test_events_that_kafka_has_dropped_are_counted_and_stop_their_partition(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Kafka is trimmed past the watermark while no worker runs; `continue` goes on with what is there."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=100)
    behavior = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    raw = log(SMALL)
    first, lost, last = raw[:1_000], raw[1_000:1_400], raw[1_400:]
    await create_topics(settings)
    with WorkerProcess(settings) as worker:
        await publish_lines(first, settings, tmp_path, worker.items)
        await settled(settings)
        assert worker.terminate() == 0
    await published(lost, settings, tmp_path)
    await trim(settings, behavior)
    await published(last, settings, tmp_path)
    with WorkerProcess(settings, up="health") as worker:
        _, reasons = await until_readiness(worker, 503)
        await until(lambda: gap_events(worker, behavior) == len(lost), "the gap counted")
        _, reasons = worker.readiness()
        assert sum("Kafka begins at" in one for one in reasons) == settings.partitions
        await until_diagnosed(settings)
        assert worker.terminate() == 0
    told("Kafka trimmed past the watermark", gap_events=len(lost), reasons=reasons[:1])
    with WorkerProcess(replace(settings, on_gap="continue")) as worker:
        await settled(settings)
        assert worker.terminate() == 0
    smooth = deployment(kafka, redis_server, topic_prefix, 2)
    await replay(lines([*first, *last]), smooth, smooth.redis)
    without_offsets = [pattern for pattern in EXACT if not pattern.startswith("wm:")]
    assert stored(settings.redis, *without_offsets) == stored(smooth.redis, *without_offsets)


async def until_diagnosed(settings: Settings) -> None:
    """Return once the doctor names a partition that is not read."""
    deadline = monotonic() + 20
    while not any(one.state == "fail" and "is not read: " in one.message for one in await diagnose(settings)):
        assert monotonic() < deadline, "the doctor finds nothing wrong"
        await asyncio.sleep(0.5)


async def published(raw: list[bytes], settings: Settings, folder: Path) -> None:
    """Publish behaviour while no worker runs."""
    path = folder / "more.jsonl"
    path.write_bytes(b"\n".join(raw) + b"\n")
    await publish_log(path, settings)
