"""A worker on a Redis Cluster: masters that are killed or step down, and slots that move, while events come in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bench.servers import RealKafka, RealRedis
from state import keys
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.settings import Settings
from tests.integration.test_exactness import stored_so_many
from tests.support.faults import assert_as_replayed, log
from tests.support.redis_cluster import ClusterNode, RealCluster, wait_until
from tests.support.small_log import Size
from tests.support.small_log import log as whole_log
from tests.support.worker_process import deployment, known_to, publish_lines, serving, settled, stored

pytestmark = pytest.mark.servers
SIZE = Size(users=200, items=80, behaviors=1_500)


async def served_through(
    settings: Settings, raw: list[bytes], folder: Path, disturb: Callable[[], None], after: int = 300
) -> None:
    """Serve and publish a log; once so many behaviours are stored, ``disturb`` runs in a thread of its own."""
    await create_topics(settings)
    behavior = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    async with serving(settings) as worker:
        publishing = asyncio.create_task(publish_lines(raw, settings, folder, known_to(worker)))
        await stored_so_many(settings, behavior, after)
        await asyncio.to_thread(disturb)
        await publishing
        await settled(settings)


async def test_a_whole_log_leaves_the_state_of_one_server(
    kafka: RealKafka, redis_server: RealRedis, redis_cluster: RealCluster, topic_prefix: str, tmp_path: Path
) -> None:
    """Items, behaviour, queries of all surfaces and feedback: all masters hold some of it."""
    smooth = deployment(kafka, redis_server, topic_prefix, 1)
    settings = replace(smooth, redis=redis_cluster.url)
    raw = whole_log(Size(behaviors=800))
    await create_topics(settings)
    async with serving(settings) as worker:
        await publish_lines(raw, settings, tmp_path, known_to(worker))
        await settled(settings)
    assert all(int(node.say("DBSIZE")) > 50 for node in redis_cluster.masters)
    assert stored(settings.redis, "imp:*")
    await assert_as_replayed(settings, raw, smooth)


async def test_a_master_that_is_killed_in_mid_stream_loses_nothing(
    kafka: RealKafka, redis_server: RealRedis, redis_cluster: RealCluster, topic_prefix: str, tmp_path: Path
) -> None:
    """Its replica takes over, without the last writes maybe: watermarks and records go back together."""
    smooth = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20, redis_timeout_s=2.0)
    settings = replace(smooth, redis=redis_cluster.url)
    mark = keys.watermark(1, topics(4, settings.topic_prefix).behavior_events.name)
    raw = log(SIZE)
    killed = redis_cluster.owner(mark)
    await served_through(settings, raw, tmp_path, killed.kill9)
    assert redis_cluster.owner(mark) is not killed
    await assert_as_replayed(settings, raw, smooth)


def has_stepped_down(masters: list[ClusterNode], count: int) -> bool:
    """Whether so many are masters no more."""
    return sum(not node.master for node in masters) == count


async def test_masters_that_step_down_lose_nothing(
    kafka: RealKafka, redis_server: RealRedis, redis_cluster: RealCluster, topic_prefix: str, tmp_path: Path
) -> None:
    """Each partition's master in turn hands over to its replica, as before a restart of its machine."""
    smooth = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20, redis_timeout_s=2.0)
    settings = replace(smooth, redis=redis_cluster.url)
    raw = log(SIZE)
    before = redis_cluster.masters

    def step_down() -> None:
        for done, master in enumerate(before, 1):
            redis_cluster.replica(master).say("CLUSTER", "FAILOVER")
            wait_until(partial(has_stepped_down, before, done), "a master has stepped down")

    await served_through(settings, raw, tmp_path, step_down)
    assert not set(before) & set(redis_cluster.masters)
    await assert_as_replayed(settings, raw, smooth)


async def test_slots_that_move_under_load_lose_nothing(
    kafka: RealKafka, redis_server: RealRedis, redis_cluster: RealCluster, topic_prefix: str, tmp_path: Path
) -> None:
    """The slots of all four partitions go from master to master and on, a few keys at a time."""
    smooth = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20)
    settings = replace(smooth, redis=redis_cluster.url)
    raw = log(SIZE)

    def move_about() -> None:
        for partition in [0, 1, 2, 3] * 2:
            name = keys.trends(partition)
            redis_cluster.move(name, redis_cluster.other(redis_cluster.owner(name)), at_once=5)

    await served_through(settings, raw, tmp_path, move_about)
    await assert_as_replayed(settings, raw, smooth)
