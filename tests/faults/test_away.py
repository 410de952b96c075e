"""Kafka or Redis away: at a worker's start, while it serves, and when it is told to end; and roles that exclude."""

from __future__ import annotations

import asyncio
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

import pytest
import pytest_asyncio

from bench.servers import RealKafka, RealRedis
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST, free_port
from streams.settings import Settings
from tests.support.proxy import Proxy
from tests.support.transport_apps import until
from tests.support.worker_process import WorkerProcess, deployment, serving

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]


@pytest_asyncio.fixture
async def proxied(
    proxied_kafka: tuple[RealKafka, Proxy], redis_server: RealRedis, topic_prefix: str
) -> AsyncIterator[tuple[Settings, Proxy]]:
    """A deployment with its topics, whose workers reach Kafka through a proxy."""
    kafka, proxy = proxied_kafka
    settings = deployment(kafka, redis_server, topic_prefix, 3)
    await create_topics(settings)
    yield replace(settings, kafka=f"{HOST}:{proxy.port}", web_port=free_port()), proxy
    proxy.refusing = proxy.stalled = False


def launched(settings: Settings, role: str = "query") -> WorkerProcess:
    """A worker that was started, and is not waited for."""
    worker = WorkerProcess(settings, role)
    worker.port = free_port()
    worker.process = subprocess.Popen(
        list(worker.command()),
        stdout=worker.log_path.open("ab"),
        stderr=subprocess.STDOUT,
        cwd=worker.folder,
        env=worker.environment(),
        start_new_session=True,
    )
    return worker


def not_ready(worker: WorkerProcess) -> str:
    """What /ready says with 503; empty while it says nothing, or is content."""
    try:
        urllib.request.urlopen(f"http://{HOST}:{worker.port}/ready", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.read().decode() if error.code == 503 else ""
    except (urllib.error.URLError, OSError):
        pass
    return ""


@pytest.mark.parametrize("how", ["refusing", pytest.param("stalled", marks=pytest.mark.soak)])
async def test_kafka_goes_and_the_worker_says_so_and_ends_on_sigterm(proxied: tuple[Settings, Proxy], how: str) -> None:
    """Within 5 s in the log and in /ready, whether connections are refused or say nothing; SIGTERM ends it in time."""
    settings, proxy = proxied
    worker = WorkerProcess(settings, "query")
    try:
        await asyncio.to_thread(worker.start)
        began = monotonic()
        setattr(proxy, how, True)
        if how == "refusing":
            proxy.cut_all()
        while "Kafka does not answer" not in worker.log or "Kafka does not answer" not in not_ready(worker):
            assert monotonic() - began < 10, "nothing was said"
            await asyncio.sleep(0.05)
        told = monotonic() - began
        await asyncio.sleep(3)
        assert worker.log.count("Kafka does not answer") == 1
        began = monotonic()
        assert await asyncio.to_thread(worker.terminate) == 0
        print(f"{how}: told after {told:.1f} s, ended {monotonic() - began:.1f} s after SIGTERM")
        assert monotonic() - began < 15
        assert "Traceback" not in worker.log
    finally:
        worker.close()


async def test_a_worker_that_starts_before_kafka_waits_for_it(proxied: tuple[Settings, Proxy]) -> None:
    """It says what it waits for, in the log and in /ready; it serves once Kafka is there."""
    settings, proxy = proxied
    proxy.refusing = True
    worker = launched(settings)
    try:
        await until(lambda: "Kafka does not answer" in not_ready(worker), 120)
        await until(lambda: "waits for Kafka before it starts" in worker.log)
        proxy.refusing = False
        await until(worker.answers, 120)
        await until(lambda: "worker ready" in worker.log)
        assert await asyncio.to_thread(worker.terminate) == 0
    finally:
        worker.close()


@pytest.mark.parametrize("how", ["refusing", "stalled"])
async def test_a_worker_that_starts_before_redis_waits_and_can_be_ended(
    proxied: tuple[Settings, Proxy], how: str
) -> None:
    """The same for a Redis that refuses connections, or takes them and is silent; SIGTERM ends a worker that waits."""
    settings, _ = proxied
    with Proxy(int(settings.redis.rpartition(":")[2].partition("/")[0])) as proxy:
        setattr(proxy, how, True)
        worker = launched(replace(settings, redis=f"redis://{HOST}:{proxy.port}/3", redis_timeout_s=1.0))
        try:
            await until(lambda: "Redis does not answer" in not_ready(worker), 120)
            await until(lambda: "waits for Redis before it starts" in worker.log)
            assert await asyncio.to_thread(worker.terminate) == 0
            assert "Traceback" not in worker.log
        finally:
            worker.close()


@pytest.mark.parametrize(
    ("first", "second"), [("query", "all"), pytest.param("all", "trainer", marks=pytest.mark.soak)]
)
async def test_roles_that_do_the_same_work_are_refused(
    proxied: tuple[Settings, Proxy], first: str, second: str
) -> None:
    """The second one says in one line what to do, and exits with 2; the first one serves on."""
    settings, _ = proxied
    async with serving(settings, first) as running:
        worker = launched(settings, second)
        try:
            assert worker.process is not None
            assert await asyncio.to_thread(worker.process.wait, 240) == 2
            said = worker.log.splitlines()[-1]
            assert f"--role {second}: 1 of role {first} serve in group {running.app.conf.id}" in said
            assert "stop one of the two" in said
            assert "Traceback" not in worker.log
            await until(lambda: running.ready)
        finally:
            worker.close()
