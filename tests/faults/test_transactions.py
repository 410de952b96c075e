"""Events of transactional producers: those that are committed count once, those that are aborted never."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from bench.servers import RealKafka, RealRedis
from streamrank_client.events import Behavior, encode
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.replay import replay
from tests.integration.test_exactness import EXACT, integers
from tests.support.faults import told, trim, until
from tests.support.small_log import Size, behaviors, items, lines
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled, stored

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]
SIZE = Size(users=100, items=40, behaviors=600)
TOGETHER = 25


async def test_aborted_transactions_leave_nothing_and_hold_nothing_up(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """Every third transaction is aborted, and the last ones; a worker is killed among them; Kafka drops them all."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=40)
    named = topics(settings.partitions, settings.topic_prefix)
    behavior = named.behavior_events.name
    shop, events = [encode(item) for item in items(SIZE.items)], list(behaviors(SIZE))
    await create_topics(settings)
    kept: list[bytes] = []
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, transactional_id=f"{topic_prefix}-events")

    async def send(some: Sequence[Behavior], *, commit: bool, topic: str = behavior) -> None:
        await producer.begin_transaction()
        for event in some:
            key = event.user_id.encode()
            await producer.send(topic, encode(event), key=key, partition=partition_for(key, settings.partitions))
        if commit:
            await producer.commit_transaction()
        else:
            await producer.flush()
            await producer.abort_transaction()

    with WorkerProcess(settings) as worker:
        await publish_lines(shop, settings, tmp_path)
        await producer.start()
        try:
            for number, start in enumerate(range(0, len(events), TOGETHER)):
                some = events[start : start + TOGETHER]
                await send(some, commit=number % 3 != 1)
                kept += [] if number % 3 == 1 else map(encode, some)
                if number == 12:
                    worker.kill9()
                    worker.restart()
            await settled(settings)
            for topic in (behavior, named.query_events.name):
                await send(events[:TOGETHER], commit=False, topic=topic)
        finally:
            await producer.stop()
        # nothing is stored of it but the watermark behind it, and it is no lag
        await settled(settings)
        for stage in ("behavior", "query"):
            lag = f'streamrank_lag{{stage="{stage}"}}'
            await until(lambda lag=lag: worker.metric(lag) == 0, "no lag")  # type: ignore[misc]
        assert worker.readiness() == (200, [])
        assert worker.terminate() == 0
        # what nobody was to see is no gap once Kafka has dropped it
        for topic in (behavior, named.query_events.name):
            await trim(settings, topic)
        worker.start()
        assert worker.readiness() == (200, [])
        assert "Kafka begins at" not in worker.log
        assert worker.terminate() == 0
    smooth = deployment(kafka, redis_server, topic_prefix, 2)
    await replay(lines([*shop, *kept]), smooth, smooth.redis)
    without_offsets = [pattern for pattern in EXACT if not pattern.startswith("wm:")]
    assert stored(settings.redis, *without_offsets) == stored(smooth.redis, *without_offsets)
    assert integers(settings.redis) == integers(smooth.redis)
    told("transactions, a third aborted", events=len(events), aborted=len(events) - len(kept))
