"""Whether a worker is ready, and what it says where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import cast

import pytest
import redis
from faust.types import TP

from state import keys
from state.store import Store
from streams.kafka.transport import BatchApp
from streams.lookup.doctor import diagnose
from streams.offline.servers import free_port
from streams.settings import Settings
from streams.worker import health as module
from streams.worker.health import Health, WatchedServer
from streams.worker.metrics import Metrics
from streams.worker.stages.base import Stage
from tests.support.worker_process import payload

BEHAVIOR = TP("behavior-events", 2)


class _App:
    """What health asks of an app."""

    joined = True
    waiting = ""

    def __init__(self) -> None:
        self.stopped: dict[TP, str] = {}
        self.behind: Mapping[TP, int] = {}
        self.fault: Exception | None = None

    def lags(self) -> Mapping[TP, int]:
        if self.fault is not None:
            raise self.fault
        return self.behind


class _Topic:
    name = BEHAVIOR.topic


class _Stage:
    name = "behavior"
    topic = _Topic()


def written(capsys: pytest.CaptureFixture[str]) -> str:
    """What was logged, wherever logs go."""
    said = capsys.readouterr()
    return said.out + said.err


def looking(app: _App, url: str, metrics: Metrics) -> tuple[Health, Store]:
    """Health over a real Redis, and a Kafka that is not there."""
    store = Store(url)
    stages = [cast(Stage, _Stage())]
    kafka = {"bootstrap_servers": f"127.0.0.1:{free_port()}"}
    return Health(cast(BatchApp, app), store, [], stages, metrics, kafka), store


async def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = monotonic() + 20
    while not true():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks that follow each other quickly."""
    monkeypatch.setattr(module, "EVERY_S", 0.05)


async def test_servers_that_are_away_are_reasons(redis_url: str) -> None:
    """Each by its name; the metric says the same."""
    metrics = Metrics()
    health, store = looking(_App(), redis_url, metrics)
    health.start()
    await until(lambda: health.kafka.away)
    assert [one.split(":")[0] for one in health.reasons()] == ["Kafka does not answer"]
    assert metrics.registry.get_sample_value("streamrank_server_away", {"server": "Kafka"}) == 1
    assert metrics.registry.get_sample_value("streamrank_server_away", {"server": "Redis"}) == 0
    await health.stop()
    await store.close()


async def test_a_partition_that_is_stopped_is_a_reason_and_the_doctor_names_it(redis_url: str) -> None:
    """Also one that stops a moment after another."""
    app, metrics = _App(), Metrics()
    health, store = looking(app, redis_url, metrics)
    health.start()
    app.stopped[BEHAVIOR] = "its watermark is gone"
    sample = metrics.registry.get_sample_value
    await until(lambda: sample("streamrank_stopped_partitions", {"topic": BEHAVIOR.topic}) == 1)
    assert "behavior-events[2] is not read: its watermark is gone" in health.reasons()
    app.stopped[TP(BEHAVIOR.topic, 3)] = "its watermark is gone, too"
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: client.exists(keys.stopped(3, BEHAVIOR.topic)))
        name = keys.stopped(2, BEHAVIOR.topic)
        assert payload(name, cast(bytes, client.get(name))) == b"its watermark is gone"
    told = {one.name: one for one in await diagnose(Settings(redis=redis_url, kafka="127.0.0.1:1"))}
    assert told["partition behavior-events[3]"].message == "is not read: its watermark is gone, too"
    await health.stop()
    await store.close()


async def test_a_look_that_fails_does_not_end_looking(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told of once, and the next look is as good as any."""
    app, metrics = _App(), Metrics()
    app.fault = AssertionError("no such partition")
    health, store = looking(app, redis_url, metrics)
    health.start()
    await asyncio.sleep(0.3)
    app.fault, app.behind = None, {BEHAVIOR: 7}
    await until(lambda: metrics.registry.get_sample_value("streamrank_lag", {"stage": "behavior"}) == 7)
    await health.stop()
    await store.close()
    assert written(capsys).count("a look at the worker's health failed") == 1


async def test_a_stage_that_gets_nothing_done_is_a_reason(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While records wait for it; a batch that is done, or nothing to do, ends that."""
    monkeypatch.setattr(module, "STUCK_S", 0.2)
    app, metrics = _App(), Metrics()
    health, store = looking(app, redis_url, metrics)
    app.behind = {BEHAVIOR: 5}
    health.start()
    await until(lambda: any(one.startswith("stage behavior got nothing done for") for one in health.reasons()))
    await until(lambda: metrics.registry.get_sample_value("streamrank_stage_stuck", {"stage": "behavior"}) == 1)
    health.done("behavior")
    assert not any(one.startswith("stage") for one in health.reasons())
    app.behind = {}
    await asyncio.sleep(0.5)
    assert not any(one.startswith("stage") for one in health.reasons())
    await health.stop()
    await store.close()


def test_a_server_that_is_away_is_told_at_once_and_then_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A look a second for 150 seconds makes three lines; its return makes one."""
    now = 0.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    server = WatchedServer("Kafka", Metrics())
    for second in range(150):
        now = float(second)
        server.failed(OSError("refused"))
    assert server.away == "refused"
    assert written(capsys).count("Kafka does not answer") == 3
    server.answered()
    server.answered()
    assert server.away == ""
    assert written(capsys).count("Kafka answers again") == 1
