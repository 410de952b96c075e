"""Exact effects: a worker killed in mid-stream leaves the state of one that never was."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random
from time import monotonic

import numpy as np
import pytest

from bench.servers import RealKafka, RealRedis
from state.records import CATEGORY_TREND, COUNT, COVISIT, QUERY_CLICK, TREND
from streamrank_client.events import encode
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.publishing.publish_log import publish_log
from streams.offline.replay import replay
from streams.settings import Settings
from tests.support.small_log import Size, behaviors, items, lines
from tests.support.worker_process import (
    WorkerProcess,
    deployment,
    known_to,
    progress,
    publish_lines,
    serving,
    settled,
    stored,
)

SIZE = Size(users=400, items=1_200, behaviors=20_000)
EXACT = ("ctx:*", "own:*", "ids:*", "wm:*behavior-events")


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    """The log: items, then 20,000 behaviours."""
    return [encode(event) for event in [*items(SIZE.items), *behaviors(SIZE)]]


async def test_state_after_three_kills_equals_an_undisturbed_runs(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, raw: list[bytes], tmp_path: Path
) -> None:
    """kill -9 at three moments drawn by seed: contexts, event ids and integer counts are equal byte for byte,
    decayed sums within 1e-6."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=60)
    await create_topics(settings)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(raw) + b"\n")
    random = Random(11)
    topic = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    with WorkerProcess(settings) as worker:
        publishing = asyncio.create_task(publish_log(path, settings))
        killed_at = []
        for share in sorted(random.uniform(0.05, 0.85) for _ in range(3)):
            await stored_so_many(settings, topic, int(share * SIZE.behaviors))
            await asyncio.sleep(random.uniform(0, 0.02))
            worker.kill9()
            killed_at.append(progress(settings, topic))
            await asyncio.to_thread(worker.restart)
        await publishing
        await settled(settings)
        assert worker.terminate() == 0
    assert all(0 < done < SIZE.behaviors for done in killed_at), killed_at
    assert len(set(killed_at)) == 3

    undisturbed = deployment(kafka, redis_server, topic_prefix, 2, batch_records=2_000)
    await replay(lines(raw), undisturbed, undisturbed.redis)
    assert_equal_states(settings.redis, undisturbed.redis)


async def test_a_redis_that_lost_its_data_in_mid_stream_gets_them_again(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Redis is killed and comes back empty: the running worker, told to go over gaps, begins again at Kafka's start."""
    size = Size(users=200, items=80, behaviors=8_000)
    raw = [encode(event) for event in [*items(size.items), *behaviors(size)]]
    with RealRedis() as own:
        settings = replace(
            deployment(kafka, redis_server, topic_prefix, 1, batch_records=20, on_gap="continue"), redis=own.redis
        )
        await create_topics(settings)
        async with serving(settings) as worker:
            publishing = asyncio.create_task(publish_lines(raw, settings, tmp_path, known_to(worker)))
            topic = topics(settings.partitions, settings.topic_prefix).behavior_events.name
            await stored_so_many(settings, topic, 1_000)
            assert progress(settings, topic) < size.behaviors
            own.kill9()
            own.restart()
            assert progress(settings, topic) == 0
            await publishing
            await settled(settings)
        smooth = deployment(kafka, redis_server, topic_prefix, 2)
        await replay(lines(raw), smooth, smooth.redis)
        assert stored(own.redis, *EXACT) == stored(smooth.redis, *EXACT)
        assert integers(own.redis) == integers(smooth.redis)


def integers(url: str) -> dict[bytes, list[int]]:
    """The counts by kind of every item."""
    return {name: np.frombuffer(v, COUNT)[0]["kinds"].tolist() for name, v in stored(url, "cnt:*").items()}


async def stored_so_many(settings: Settings, topic: str, count: int) -> None:
    """Wait until so many records of a topic are stored."""
    deadline = monotonic() + 60
    while progress(settings, topic) < count:
        assert monotonic() < deadline, f"fewer than {count} records are stored after 60 s"
        await asyncio.sleep(0.002)


def assert_equal_states(crashed: str, smooth: str) -> None:
    """Exact records equal to the byte, decayed sums within 1e-6."""
    assert stored(crashed, *EXACT) == stored(smooth, *EXACT)
    counts, expected = stored(crashed, "cnt:*"), stored(smooth, "cnt:*")
    assert counts.keys() == expected.keys()
    assert len(counts) > 1_000
    for name, value in counts.items():
        one, two = np.frombuffer(value, COUNT)[0], np.frombuffer(expected[name], COUNT)[0]
        for field in ("kinds", "first", "last", "ratings"):
            assert np.array_equal(one[field], two[field]), (name, field)
        np.testing.assert_allclose(one["popularity"], two["popularity"], rtol=1e-6)
    assert compared_rows(crashed, smooth, "cov:*", COVISIT, "follower", ("after",)) > 50
    assert compared_rows(crashed, smooth, "cov:*", COVISIT, "neighbour", ("together", "wide")) > 50
    assert compared_rows(crashed, smooth, "qc:*", QUERY_CLICK, "item", ("weight",)) > 20
    trends, wanted = stored(crashed, "trend:*"), stored(smooth, "trend:*")
    assert len(trends) == len(wanted) == 4
    for name, value in trends.items():
        np.testing.assert_allclose(
            np.frombuffer(value, TREND)["score"], np.frombuffer(wanted[name], TREND)["score"], rtol=1e-6
        )
    shelves, wanted = stored(crashed, "ctr:*"), stored(smooth, "ctr:*")
    assert shelves.keys() == wanted.keys()
    for name, value in shelves.items():
        one, two = np.frombuffer(value, CATEGORY_TREND)["score"], np.frombuffer(wanted[name], CATEGORY_TREND)["score"]
        np.testing.assert_allclose(one, two, rtol=1e-6)


def compared_rows(
    crashed: str, smooth: str, pattern: str, layout: np.dtype[np.void], items: str, sums: tuple[str, ...]
) -> int:
    """Compares bounded rows: all masses, and the sums of lists that never overflowed; returns how many those are."""
    found, expected = stored(crashed, pattern), stored(smooth, pattern)
    assert found.keys() == expected.keys()
    compared = 0
    for name, value in found.items():
        one, two = np.frombuffer(value, layout)[0], np.frombuffer(expected[name], layout)[0]
        np.testing.assert_allclose(one["mass"], two["mass"], rtol=1e-6)
        if np.all(one[items]) or np.all(two[items]):
            continue
        left, right = np.argsort(one[items]), np.argsort(two[items])
        assert np.array_equal(one[items][left], two[items][right])
        for field in sums:
            np.testing.assert_allclose(one[field][left], two[field][right], rtol=1e-5)
        compared += 1
    return compared
