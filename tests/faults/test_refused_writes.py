"""Redis answers and refuses to write: queries are answered, behaviour waits and then counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from bench.servers import RealKafka, RealRedis
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.servers import free_port
from tests.support.faults import SMALL, asking, assert_as_replayed, log, told, until
from tests.support.worker_process import WorkerProcess, deployment, progress, publish_lines, settled

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def _full(client: redis.Redis) -> None:
    client.config_set("maxmemory", "1mb")


def _not_full(client: redis.Redis) -> None:
    client.config_set("maxmemory", "0")


def _read_only(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", free_port())


def _own_master(client: redis.Redis) -> None:
    client.replicaof("NO", "ONE")


#: by name: how writes come to be refused, and how that ends
REFUSALS: Final[dict[str, tuple[Callable[[Any], None], Callable[[Any], None]]]] = {
    "full": (_full, _not_full),
    "read-only": (_read_only, _own_master),
}


@pytest.mark.parametrize("refusal", ["full", pytest.param("read-only", marks=pytest.mark.soak)])
async def test_queries_are_answered_once_each_while_redis_refuses_writes(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, refusal: str
) -> None:
    """Answers say that they are degraded; behaviour waits and then counts once, and so does what answers leave."""
    begin, end = REFUSALS[refusal]
    raw = log(SMALL)
    with RealRedis() as own, redis.Redis.from_url(own.redis) as client:
        settings = replace(deployment(kafka, redis_server, topic_prefix, 1, batch_records=100), redis=own.redis)
        await create_topics(settings)
        behavior = topics(settings.partitions, settings.topic_prefix).behavior_events.name
        with WorkerProcess(settings) as worker:
            await publish_lines(raw[:1_000], settings, tmp_path, worker.items)
            await settled(settings)
            begin(client)
            before = progress(settings, behavior)
            async with asking(settings) as queries:
                await publish_lines(raw[1_000:], settings, tmp_path)
                during: list[str] = []
                for _ in range(15):
                    during += await queries.ask(8)
                    await asyncio.sleep(0.2)
                await queries.answered()
                slowest = queries.slowest_s
                assert progress(settings, behavior) == before
                assert worker.metric("streamrank_waiting_impressions") > 0
                end(client)
                gone = await until(
                    lambda: worker.metric("streamrank_waiting_impressions") == 0, "all that waited for Redis stored"
                )
                await settled(settings)
                after = await queries.ask(8)
                await queries.answered()
            degraded = queries.degraded(during)
            assert set(queries.times.values()) == {1}
            # the first ones leave before Redis has refused anything
            assert set(during[40:]) <= set(degraded)
            assert not queries.degraded(after)
            stored_impressions = sum(1 for _ in client.scan_iter("imp:*", 1_000))
            assert stored_impressions == len(during) + len(after)
            assert worker.metric("streamrank_lost_impressions_total") == 0
            retries = worker.metric('streamrank_retries_total{stage="behavior"}')
            assert retries > 0
            assert "Traceback" not in worker.log
            assert worker.log.count("tried again until it works") <= 6
            assert worker.terminate() == 0
        told(
            f"Redis {refusal} for {len(during)} queries", twice=queries.twice, degraded=len(degraded),
            slowest_s=round(slowest, 2), retries=retries, stored_after_s=gone,
        )  # fmt: skip
        await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
