"""Producers that nobody here wrote: librdkafka with its own partitioner and each of its codecs, and others' hashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Final

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer

from bench.servers import RealKafka, RealRedis
from state.records import CONTEXT
from streamrank_client.answers import Answer, decode_answer
from streamrank_client.events import CODE_OF, Click, Event, Item, Query, encode
from streamrank_client.making import now
from streamrank_client.topics import TopicSpec, topics
from streams.kafka.admin import create_topics
from streams.lookup.doctor import diagnose
from streams.settings import Settings
from tests.support.worker_process import WorkerProcess, deployment, settled, stored

pytestmark = pytest.mark.servers
USERS: Final = [f"user-{n}" for n in range(40)]
ITEMS: Final = [f"p{n}" for n in range(12)]
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
#: key, partitions -> the partition that a client chooses
Chooser = Callable[[bytes, int], int]


def fnv1a(key: bytes, partitions: int) -> int:
    """The hash of sarama and segmentio, signed as there."""
    value = 0x811C9DC5
    for byte in key:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return abs(value - (1 << 32) if value >> 31 else value) % partitions


def in_turn() -> Chooser:
    """Round robin, whatever the key."""
    turn = count()
    return lambda key, partitions: next(turn) % partitions


class Foreign:
    """A shop's service on librdkafka. ``choose``: its partitioner; None: librdkafka's own (CRC-32 of the key)."""

    def __init__(self, settings: Settings, codec: str, choose: Chooser | None) -> None:
        self.settings, self.choose = settings, choose
        self.producer = Producer(
            {"bootstrap.servers": settings.kafka, "compression.type": codec, "linger.ms": 50, "log_level": 0}
        )

    def send(self, topic: TopicSpec, key: str, *events: Event) -> None:
        """Produce events under one key."""
        for event in events:
            where = -1 if self.choose is None else self.choose(key.encode(), topic.partitions)
            self.producer.produce(topic.name, encode(event), key.encode(), where)

    def flush(self) -> None:
        """Wait for all acknowledgements."""
        assert self.producer.flush(30) == 0

    def answers(self, wanted: int) -> list[Answer]:
        """The first answers on the recommendations topic."""
        reader = Consumer({
            "bootstrap.servers": self.settings.kafka, "group.id": "foreign", "auto.offset.reset": "earliest",
            "log_level": 0,
        })  # fmt: skip
        reader.subscribe([topics(1, self.settings.topic_prefix).recommendations.name])
        found: list[Answer] = []
        deadline = monotonic() + 30
        try:
            while len(found) < wanted and monotonic() < deadline:
                record = reader.poll(0.2)
                if record is not None and record.error() is None:
                    found.append(decode_answer(record.value() or b""))
        finally:
            reader.close()
        return found


@pytest.mark.parametrize(
    ("codec", "choose"),
    [
        pytest.param("none", None, id="none, CRC-32"),
        pytest.param("snappy", in_turn(), id="snappy, in turn"),
        pytest.param("gzip", fnv1a, id="gzip, FNV-1a", marks=pytest.mark.soak),
        pytest.param("lz4", None, id="lz4, CRC-32", marks=pytest.mark.soak),
        pytest.param("zstd", None, id="zstd, CRC-32", marks=pytest.mark.soak),
    ],
)
async def test_a_foreign_producers_events_count_and_its_queries_are_answered(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, codec: str, choose: Chooser | None
) -> None:
    """Each once and for its user, whatever partition it lay on; the doctor and a metric tell of it."""
    settings = deployment(kafka, redis_server, topic_prefix, 1)
    await create_topics(settings)
    named, at = topics(settings.partitions, settings.topic_prefix), now()
    shop = Foreign(settings, codec, choose)
    with WorkerProcess(settings) as worker:
        for item in ITEMS:
            shop.send(named.item_events, item, Item(time=at, item_id=item, title=f"green tea {item}"))
        shop.flush()
        await reached(worker, "streamrank_catalogue_items", len(ITEMS))
        for n, user in enumerate(USERS):
            clicks = [Click(time=at + n, event_id=f"{user}-{i}", user_id=user, item_id=i) for i in ITEMS[n % 3 :: 3]]
            shop.send(named.behavior_events, user, *clicks)
        shop.flush()
        await reached(worker, 'streamrank_events_total{kind="behavior"}', 4 * len(USERS))
        await settled(settings)
        for user in USERS:
            query = Query(time=at + 1_000, request_id=f"r-{user}", user_id=user, surface="home")
            shop.send(named.query_events, user, query)
        shop.flush()
        answers = await asyncio.to_thread(shop.answers, len(USERS))
        assert {answer.request_id for answer in answers} == {f"r-{user}" for user in USERS}
        assert all(answer.error is None and answer.items for answer in answers)
        assert worker.metric(f'streamrank_rerouted_total{{topic="{named.behavior_events.name}"}}') > 0
        assert worker.metric(f'streamrank_rerouted_total{{topic="{named.query_events.name}"}}') > 0
        page = (worker.page("metrics") or "").splitlines()
        dead = [line.rsplit(" ", 1)[1] for line in page if line.startswith("streamrank_dead_letters_total{")]
        assert set(dead) == {"0.0"}
        assert "murmur2" in worker.log
        told = [check for check in await diagnose(settings) if check.name == "partitions of keys"]
        assert {check.state for check in told} == {"warn"}
        assert worker.terminate() == 0
    for key, value in stored(settings.redis, "ctx:*").items():
        (clicks,) = np.frombuffer(value, CONTEXT)["counts"][:, CODE_OF[Click]]
        assert clicks == 4, key
    assert len(stored(settings.redis, "ctx:*")) == len(USERS)


async def reached(worker: WorkerProcess, metric: str, value: float) -> None:
    """Wait until a metric has this value."""
    deadline = monotonic() + 60
    while (found := worker.metric(metric)) != value:
        assert monotonic() < deadline, f"{metric} is {found}, not {value}"
        await asyncio.sleep(0.05)
