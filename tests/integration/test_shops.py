"""Two shops on one Kafka and one Redis, each with a worker of its own: what they share, and what neither ever sees."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]

from bench.servers import RealKafka, RealRedis
from state import keys
from streamrank_client.client import Client
from streamrank_client.errors import AnswerTimeout
from streamrank_client.events import Item, encode
from streamrank_client.kafka_options import kafka_options
from streams.kafka.admin import create_topics
from streams.lookup.doctor import diagnose
from streams.settings import Settings
from tests.support.redis_cluster import RealCluster
from tests.support.small_log import START, Size, behaviors, items
from tests.support.worker_process import (
    WorkerProcess,
    deployment,
    known_to,
    publish_lines,
    serving,
    settled,
    stored,
)

SIZE = Size(users=12, items=30, behaviors=300)
SHOPS = ("anna", "anna-2")
#: what does not depend on how batches were cut
EXACT = ("ctx:*", "own:*", "ids:*")


def log_of(shop: str) -> list[bytes]:
    """A shop's log: ids of items and users are the same in both, titles and behaviour are not."""
    sold = [
        Item(time=item.time, item_id=item.item_id, title=f"{shop} {item.title}", category=item.category)
        for item in items(SIZE.items)
    ]
    sold.append(Item(time=START, item_id=f"only-{shop}", title="only thing"))
    return [encode(event) for event in [*sold, *behaviors(SIZE, seed=len(shop))]]


async def groups(settings: Settings) -> set[str]:
    """The consumer groups that Kafka knows."""
    admin = AIOKafkaAdminClient(**kafka_options(settings))
    await admin.start()
    try:
        return {group for group, *_ in await admin.list_consumer_groups()}
    finally:
        await admin.close()


async def test_two_shops_share_servers_and_artifacts_and_see_nothing_of_each_other(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Same ids of users and items, same moment: each shop's state is that of a deployment that has everything to
    itself, byte for byte, and each answers from its own items; all names are its own."""
    base = deployment(kafka, redis_server, topic_prefix, 1, batch_records=40, after_wait_ms=5_000)
    anna, other = (replace(base, shop=shop) for shop in SHOPS)
    for settings in (anna, other):
        await create_topics(settings)
    with WorkerProcess(anna) as first, WorkerProcess(other) as second:
        workers = dict(zip(SHOPS, (first, second), strict=True))
        for shop in SHOPS:
            (tmp_path / shop).mkdir()
        await asyncio.gather(*(
            publish_lines(log_of(s.shop), s, tmp_path / s.shop, workers[s.shop].items)
            for s in (anna, other)
        ))  # fmt: skip
        await asyncio.gather(settled(anna), settled(other))
        for settings in (anna, other):
            async with Client(settings=settings) as client:
                answer = await client.ask("u1", text="only thing", limit=10, timeout=20)
                assert answer.error is None
                found = {item.item_id for item in answer.items if item.item_id.startswith("only-")}
                assert found == {f"only-{settings.shop}"}
            doctor = {check.name: check for check in await diagnose(settings)}
            assert doctor["topics"].state == "ok"
            assert not [name for name in doctor if name.startswith("partition ")]
        named = {name for name in await groups(base) if topic_prefix in name}
        assert named == {f"{shop}.{topic_prefix}" for shop in SHOPS}
        assert [worker.terminate() for worker in (first, second)] == [0, 0]
    own = {shop: stored(base.redis, f"{shop}:*") for shop in SHOPS}
    assert stored(base.redis, "*") == own["anna"] | own["anna-2"]
    for number, shop in enumerate(SHOPS):
        plain = {keys.of_shop(shop, key): value for key, value in own[shop].items()}
        alone = deployment(kafka, redis_server, f"{topic_prefix}{number}", 2, batch_records=40)
        await create_topics(alone)
        async with serving(alone) as worker:
            await publish_lines(log_of(shop), alone, tmp_path, lambda: known_to(worker)())
            await settled(alone)
        assert set(stored(alone.redis, "cnt:*")) == {key for key in plain if key.startswith(b"cnt:")}
        expected = stored(alone.redis, *EXACT)
        kinds = {pattern[:-1].encode() for pattern in EXACT}
        assert {k: v for k, v in plain.items() if k[: k.index(b":") + 1] in kinds} == expected
        assert len([key for key in expected if key.startswith(b"ctx:")]) == SIZE.users


async def test_an_answer_never_goes_to_another_shops_topic(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str
) -> None:
    """A query that names the other shop's topic is refused like one that names none; its own may be named."""
    base = deployment(kafka, redis_server, topic_prefix, 3)
    anna, other = (replace(base, shop=shop) for shop in SHOPS)
    for settings in (anna, other):
        await create_topics(settings)
    async with serving(anna):
        async with Client(settings=anna, reply_topic=anna.topics.recommendations.name) as client:
            assert (await client.ask("u1", timeout=20)).error is None
        async with Client(settings=anna, reply_topic=other.topics.recommendations.name) as client:
            with pytest.raises(AnswerTimeout):
                await client.ask("u1", timeout=3)


async def test_a_shop_on_a_cluster_keeps_each_partition_in_one_slot(
    kafka: RealKafka, redis_server: RealRedis, redis_cluster: RealCluster, topic_prefix: str, tmp_path: Path
) -> None:
    """Two shops, one after the other, on three masters: each one's state is there, under its own name."""
    for shop in SHOPS:
        settings = replace(
            deployment(kafka, redis_server, topic_prefix, 4, batch_records=40), redis=redis_cluster.url, shop=shop
        )
        await create_topics(settings)
        async with serving(settings) as worker:
            await publish_lines(log_of(shop), settings, tmp_path, lambda: known_to(worker)())
            await settled(settings)
    kept = stored(redis_cluster.url, "*")
    assert {key.split(b":")[0].decode() for key in kept} == set(SHOPS)
    for shop in SHOPS:
        users = [key for key in kept if key.startswith(f"{shop}:ctx:".encode())]
        assert len(users) == SIZE.users
