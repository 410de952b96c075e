"""Ingest, query and trainer as three processes do what one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from bench.servers import RealKafka, RealRedis
from streamrank_client.client import Client
from streamrank_client.events import encode
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.replay import replay
from streams.settings import Settings
from tests.integration.test_trainer import answer_of_version, click_an_answer
from tests.support.servers import Broker, flush
from tests.support.small_log import Size, items, lines, log
from tests.support.worker_process import (
    WorkerProcess,
    deployment,
    progress,
    publish_lines,
    settled,
    stored,
)

SIZE = Size(behaviors=6_000)
Workers = dict[str, WorkerProcess]


@pytest_asyncio.fixture
async def settings(kafka: RealKafka, redis_server: RealRedis, topic_prefix: str) -> Settings:
    """Settings of a deployment with topics of its own; ingest works in small batches."""
    found = deployment(kafka, redis_server, topic_prefix, 4, batch_records=20, after_wait_ms=5_000, learning_rate=0.1)
    await create_topics(found)
    return found


@pytest_asyncio.fixture
async def workers(settings: Settings) -> AsyncIterator[Workers]:
    """One process a role, ready."""
    made = {role: WorkerProcess(settings, role) for role in ("ingest", "query", "trainer")}
    async with AsyncExitStack() as stack:
        for worker in made.values():
            stack.callback(worker.close)
        await asyncio.gather(*(asyncio.to_thread(worker.start) for worker in made.values()))
        yield made


async def test_three_processes_do_what_one_does(
    workers: Workers, settings: Settings, redis_server: RealRedis, kafka: RealKafka, topic_prefix: str, tmp_path: Path
) -> None:
    """A click is seen across processes, weights arrive from the trainer, SIGTERM drains and commits, and the
    contexts are a replay's."""
    raw = log(SIZE)
    await publish_lines([encode(item) for item in items(SIZE.items)], settings, tmp_path)
    publishing = asyncio.create_task(publish_lines(raw[SIZE.items :], settings, tmp_path))
    await drained_in_mid_stream(workers["ingest"], settings, Broker(kafka.kafka, topic_prefix))
    await asyncio.to_thread(workers["ingest"].restart)
    await publishing
    await settled(settings)
    smooth = redis_server.redis.rsplit("/", 1)[0] + "/5"
    await replay_into(raw, settings, smooth)
    assert stored(settings.redis, "ctx:*", "ids:*", "wm:*behavior-events") == stored(
        smooth, "ctx:*", "ids:*", "wm:*behavior-events"
    )

    async with Client(settings=settings) as client:
        before = (await client.ask(timeout=20)).weights_version
        for number in range(3):
            answer = await click_an_answer(client, f"visitor{number}")
            clicked = answer.items[2].item_id
            again = await client.ask(f"visitor{number}", candidates=[clicked], explain=True, timeout=20)
            assert again.seen is not None
            assert again.seen.offset >= (client.last_place(f"visitor{number}") or again.seen).offset
            assert (again.items[0].features or {})["own_events"] >= 1
            await settled(settings)
        learnt = await answer_of_version(client, before + 3)
    assert learnt.weights_version == before + 3
    assert {role: worker.terminate() for role, worker in workers.items()} == {"ingest": 0, "query": 0, "trainer": 0}


async def drained_in_mid_stream(ingest: WorkerProcess, settings: Settings, broker: Broker) -> None:
    """SIGTERM while behaviour comes in: what was begun is done, stored and committed, and no more."""
    topic = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    for _ in range(10_000):
        if (done := progress(settings, topic)) > 500:
            break
        await asyncio.sleep(0.002)
    assert 500 < done < SIZE.behaviors
    assert await asyncio.to_thread(ingest.terminate) == 0
    after = progress(settings, topic)
    assert done <= after
    committed = await broker.committed(f"{settings.group}-ingest", topic)
    assert sum(committed.values()) == after


async def replay_into(raw: list[bytes], settings: Settings, url: str) -> None:
    """Replay a log into an emptied database."""
    flush(url)
    await replay(lines(raw), settings, url)
