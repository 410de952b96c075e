"""Connections that are cut: at every place of a batch's round trips to Redis, and at random, Redis's and Kafka's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bench.servers import RealKafka, RealRedis
from streams.kafka.admin import create_topics
from tests.support.faults import SIZE, assert_as_replayed, log, proxied, told
from tests.support.proxy import Proxy
from tests.support.redis_cuts import PLACES, cutting
from tests.support.worker_process import WorkerProcess, deployment, known_to, publish_lines, serving, settled

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]
#: cuts at random, over one log
MANY = pytest.mark.parametrize("cuts", [60, pytest.param(300, marks=pytest.mark.soak)])


@pytest.mark.parametrize("place", PLACES)
async def test_a_batch_that_is_cut_counts_once(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, place: str
) -> None:
    """Wherever the connection goes: before, within and after the transaction."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=40)
    raw = log()
    await create_topics(settings)
    with Proxy(int(redis_server.port)) as proxy:
        async with serving(proxied(settings, proxy)) as worker:
            proxy.look = cutting(place, every=7, times=20)
            await publish_lines(raw, settings, tmp_path, known_to(worker))
            await settled(settings)
        assert proxy.cuts >= 20
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
    told(f"cut {place}", cuts=proxy.cuts, events=SIZE.behaviors)


async def test_a_second_cut_while_a_partition_is_read_again_loses_nothing(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """EXEC's reply is lost, and so are the next two connections: those by which the watermark is read."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=40)
    raw = log()
    await create_topics(settings)
    with Proxy(int(redis_server.port)) as proxy:
        after = cutting("after EXEC, before its reply", every=9, times=12)
        more = 0

        def look(to_server: bool, data: bytes) -> tuple[bytes, bool]:
            nonlocal more
            if more and to_server:
                more -= 1
                return b"", True
            verdict = after(to_server, data)
            more = 2 if verdict[1] else more
            return verdict

        async with serving(proxied(settings, proxy)) as worker:
            proxy.look = look
            await publish_lines(raw, settings, tmp_path, known_to(worker))
            await settled(settings)
        assert proxy.cuts >= 36
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
    told("EXEC's reply is lost, and the next two connections", cuts=proxy.cuts, events=SIZE.behaviors)


@MANY
async def test_cuts_of_connections_to_redis_lose_nothing(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, cuts: int
) -> None:
    """Cut at random, whatever is said over them just then."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20)
    raw = log()
    await create_topics(settings)
    with Proxy(int(redis_server.port)) as proxy:
        with WorkerProcess(proxied(settings, proxy)) as worker:
            cutter = proxy.cut_at_random(cuts, 0.01, seed=5)
            await publish_lines(raw, settings, tmp_path, worker.items)
            await asyncio.to_thread(cutter.join, 60)
            await settled(settings)
            assert worker.terminate() == 0
        assert proxy.cuts >= cuts
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
    told("cuts of connections to Redis", cuts=proxy.cuts, events=SIZE.behaviors)


@MANY
async def test_cuts_of_connections_to_kafka_lose_nothing(
    proxied_kafka: tuple[RealKafka, Proxy], redis_server: RealRedis, topic_prefix: str, tmp_path: Path, cuts: int
) -> None:
    """Cut at random: fetches, heartbeats, commits and transactions."""
    kafka, proxy = proxied_kafka
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20)
    raw = log()
    await create_topics(settings)
    with WorkerProcess(replace(settings, kafka=f"127.0.0.1:{proxy.port}")) as worker:
        cutter = proxy.cut_at_random(cuts, 0.02, seed=6)
        await publish_lines(raw, settings, tmp_path, worker.items)
        await asyncio.to_thread(cutter.join, 60)
        await settled(settings)
        assert worker.terminate() == 0
    assert proxy.cuts >= cuts
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
    told("cuts of connections to Kafka", cuts=proxy.cuts, events=SIZE.behaviors)
