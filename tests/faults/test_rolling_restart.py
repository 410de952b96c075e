"""Workers that are restarted one after the other while queries come in."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest
import redis

from bench.servers import RealKafka, RealRedis
from state import keys
from streamrank_client.events import encode
from streams.kafka.admin import create_topics
from streams.policy.roles import group_of
from streams.settings import Settings
from streams.worker.handover import JOINS, READS
from tests.support.small_log import items
from tests.support.steady_asking import steady_asking
from tests.support.transport_apps import until
from tests.support.worker_process import WorkerProcess, deployment, publish_lines

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.mark.soak
@pytest.mark.parametrize("roles", [("query", "query", "query", "ingest"), ("all", "all", "all")])
async def test_a_rolling_restart_leaves_no_query_unanswered(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, roles: tuple[str, ...]
) -> None:
    """Three workers end with SIGTERM and start again, in turn, under 50 queries a second; the figures are printed."""
    settings = deployment(kafka, redis_server, topic_prefix, 6, session_timeout_s=10.0)
    await create_topics(settings)
    workers = [WorkerProcess(settings, role) for role in roles]
    async with AsyncExitStack() as stack:
        for worker in workers:
            stack.callback(worker.close)
        await asyncio.gather(*(asyncio.to_thread(worker.start) for worker in workers))
        await publish_lines([encode(item) for item in items()], settings, tmp_path)
        async with steady_asking(settings, a_second=50) as asking:
            begin = monotonic()
            await asyncio.sleep(2)
            for number, worker in enumerate(workers[:3]):
                left = monotonic() - begin
                assert await asyncio.to_thread(worker.terminate) == 0
                gone = monotonic() - begin
                await asyncio.to_thread(worker.start)
                back = monotonic() - begin
                await asyncio.sleep(2)
                print(
                    f"worker {number}: ended in {gone - left:.1f} s, back after {back - left:.1f} s; longest waits: "
                    f"as it left {asking.between(left - 0.5, gone + 1):.2f} s, "
                    f"as it joined {asking.between(gone + 1, back + 2):.2f} s"
                )
        print(f"{len(asking.waits)} queries, the longest wait {asking.longest:.2f} s")
        assert asking.unanswered == 0
        assert len(asking.waits) > 500


async def test_a_worker_serves_until_its_successor_joins(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str
) -> None:
    """SIGTERM while another one starts: the only worker of its role goes on until that one is ready."""
    settings = deployment(kafka, redis_server, topic_prefix, 7, session_timeout_s=10.0)
    await create_topics(settings)
    old, new = WorkerProcess(settings, "query"), WorkerProcess(settings, "query")
    try:
        await asyncio.to_thread(old.start)
        async with steady_asking(settings, a_second=20) as asking:
            starting = asyncio.create_task(asyncio.to_thread(new.start))
            await until(lambda: announced(settings), 200)
            begin = monotonic()
            assert await asyncio.to_thread(old.terminate) == 0
            assert not said(settings).endswith(READS)  # then it would have left before its successor was ready
            await starting
            await asyncio.sleep(1)
        print(f"it went on for {monotonic() - begin:.1f} s; the longest wait {asking.longest:.2f} s")
        assert asking.unanswered == 0
    finally:
        old.close()
        new.close()


def announced(settings: Settings) -> bool:
    """Whether a worker has left word that it starts."""
    return said(settings).endswith((READS, JOINS))


def said(settings: Settings) -> bytes:
    """What a worker that starts says of itself, with its layout's header; empty where none does."""
    with redis.Redis.from_url(settings.redis) as client:
        value = client.get(keys.starting(group_of(settings.group, "query")))
        return value if isinstance(value, bytes) else b""
