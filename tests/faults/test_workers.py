"""Workers that are killed or lose their servers, and what /ready says meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from bench.servers import RealKafka, RealRedis
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.publishing.publish_log import publish_log
from tests.support.faults import SMALL, asking, assert_as_replayed, log, proxied, told, until, until_readiness
from tests.support.proxy import Proxy
from tests.support.small_log import Size
from tests.support.worker_process import WorkerProcess, deployment, progress, publish_lines, settled

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.mark.parametrize("most", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_a_log_with_kills_counts_once(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, most: int
) -> None:
    """kill -9 at moments drawn by seed, over one log."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20)
    topic = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    size = Size(users=200, items=80, behaviors=8_000)
    raw = log(size)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(raw) + b"\n")
    await create_topics(settings)
    random = Random(21)
    kills = 0
    with WorkerProcess(settings, up="health") as worker:
        publishing = asyncio.create_task(publish_log(path, settings))
        while kills < most:
            # as soon as it gets anything done, or before it does
            aim = progress(settings, topic) + random.choice((0, 1, 20, 100, 200))
            deadline = monotonic() + 20
            while progress(settings, topic) < min(aim, size.behaviors - 1):
                assert monotonic() < deadline, f"{aim} records are not stored after 20 s"
                await asyncio.sleep(0.002)
            worker.kill9()
            kills += 1
            await asyncio.to_thread(worker.restart)
        done = progress(settings, topic)
        await publishing
        await settled(settings)
        assert worker.terminate() == 0
    assert done < size.behaviors, "the last kills came when all was stored"
    told("kill -9", kills=kills, lost=size.behaviors - progress(settings, topic))
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))


async def test_a_worker_outlives_a_rebalance_while_redis_is_away(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Its partner is killed while neither reaches Redis: the partitions come to it, and wait until Redis is there."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=100)
    raw = log(SMALL)
    await create_topics(settings)
    with Proxy(int(redis_server.port)) as proxy:
        behind = proxied(settings, proxy)
        with WorkerProcess(behind) as worker, WorkerProcess(behind) as partner:
            await publish_lines(raw[:1_000], settings, tmp_path, worker.items)
            await settled(settings)
            proxy.refusing = True
            proxy.cut_all()
            partner.kill9()
            await publish_lines(raw[1_000:], settings, tmp_path)
            _, reasons = await until_readiness(worker, 503)
            # longer than a session, so that the partner is missed
            await asyncio.sleep(3 * settings.session_timeout_s)
            _, reasons = worker.readiness()
            assert any(one.startswith("Redis does not answer") for one in reasons)
            assert any("its partitions wait to be read" in one for one in reasons)
            assert worker.process is not None
            assert worker.process.poll() is None
            proxy.refusing = False
            seconds, _ = await until_readiness(worker, 200)
            await settled(settings)
            assert "Traceback" not in worker.log
            assert worker.terminate() == 0
        told("a rebalance while Redis is away", ready_after_s=seconds, reasons=reasons)
        await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))


async def test_ready_tells_of_servers_that_are_away(
    proxied_kafka: tuple[RealKafka, Proxy], redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """503 with the reason within seconds, for Redis and for Kafka; 200 and answers once they are there again."""
    kafka, kafka_proxy = proxied_kafka
    settings = deployment(kafka, redis_server, topic_prefix, 1)
    raw = log(SMALL)
    await create_topics(settings)
    with Proxy(int(redis_server.port)) as redis_proxy:
        behind = replace(proxied(settings, redis_proxy), kafka=f"127.0.0.1:{kafka_proxy.port}")
        with WorkerProcess(behind) as worker:
            await publish_lines(raw, settings, tmp_path, worker.items)
            await settled(settings)
            async with asking(settings) as queries:
                for name, proxy in (("Redis", redis_proxy), ("Kafka", kafka_proxy)):
                    proxy.refusing = True
                    proxy.cut_all()
                    away, reasons = await until_readiness(worker, 503, timeout=5)
                    assert any(one.startswith(f"{name} does not answer: ") for one in reasons)
                    assert worker.metric(f'streamrank_server_away{{server="{name}"}}') == 1
                    await queries.ask(5)
                    await asyncio.sleep(2)
                    proxy.refusing = False
                    back, _ = await until_readiness(worker, 200)
                    answered = await until(lambda: len(queries.times) == len(queries.asked), "each query answered")
                    assert worker.log.count(f"{name} does not answer") == 1
                    assert f"{name} answers again" in worker.log
                    told(f"{name} away", not_ready_after_s=away, ready_after_s=back, answers_after_s=back + answered,
                         reasons=reasons)  # fmt: skip
                for name, proxy in (("Redis", redis_proxy), ("Kafka", kafka_proxy)):
                    # one that answers nothing, and keeps its connections
                    proxy.stalled = True
                    away, reasons = await until_readiness(worker, 503, timeout=8)
                    assert any(one.startswith(f"{name} does not answer: ") for one in reasons)
                    proxy.stalled = False
                    await until_readiness(worker, 200)
                    told(f"{name} stalls", not_ready_after_s=away)
                assert set(queries.times.values()) == {1}
            assert worker.terminate() == 0
    await assert_as_replayed(settings, raw, deployment(kafka, redis_server, topic_prefix, 2))
