"""What the doctor says of the newest records: fields that are none, and clocks."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from streamrank_client.errors import SettingsError
from streamrank_client.making import now
from streams.kafka.admin import create_topics
from streams.lookup.check import Check
from streams.lookup.record_checks import record_checks
from streams.settings import Settings
from tests.support.servers import Broker

QUERY = b'{"event":"query","request_id":"r1","user_id":"u1","time":5,"txt":"tea"}'


@pytest_asyncio.fixture
async def settings(real_broker: Broker) -> Settings:
    """A deployment with topics of its own."""
    found = Settings(kafka=real_broker.kafka, topic_prefix=real_broker.prefix + "-", partitions=2)
    await create_topics(found)
    return found


async def send(settings: Settings, topic: str, *values: bytes, timestamp_ms: int | None = None) -> None:
    """Store records of user u1, wherever aiokafka places them."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        sent = [
            await producer.send(settings.topic_prefix + topic, value, key=b"u1", timestamp_ms=timestamp_ms)
            for value in values
        ]
        await asyncio.gather(*sent)


async def checks(settings: Settings, name: str) -> list[Check]:
    """The checks of this name."""
    return [check for check in await record_checks(settings) if check.name == name]


async def test_a_field_that_no_query_has_is_told_with_what_was_meant(settings: Settings) -> None:
    """How often it is sent, and the nearest field."""
    await send(settings, "query-events", QUERY, QUERY, QUERY.replace(b"txt", b"text"), b"broken")
    (check,) = await checks(settings, "fields of events")
    assert check.state == "warn"
    assert check.message == f"{settings.topic_prefix}query-events: txt in 2 of the 4 newest records"
    assert check.remedy == "no such field: did you mean text?"


async def test_a_clock_that_is_ahead_is_told(settings: Settings) -> None:
    """Of a producer, by how much; records of now are right."""
    await send(settings, "behavior-events", b"{}")
    (fine,) = await checks(settings, "clocks of records")
    assert fine.state == "ok"
    await send(settings, "query-events", QUERY, timestamp_ms=now() + 60_000)
    (check,) = await checks(settings, "clocks of records")
    assert check.state == "warn"
    assert f"{settings.topic_prefix}query-events" in check.message
    assert " s ahead: a producer's clock is fast" in check.message


async def test_the_clock_of_a_broker_that_gives_the_timestamps_is_told(
    real_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With LogAppendTime the newest record has the broker's time, whatever its producer says."""
    await real_broker.create("query-events", 2, message_timestamp_type="LogAppendTime")
    settings = Settings(kafka=real_broker.kafka, topic_prefix=real_broker.prefix + "-", partitions=2)
    await create_topics(settings)
    await send(settings, "query-events", QUERY, timestamp_ms=now() + 60_000)
    assert [check.state for check in await checks(settings, "clocks of records")] == ["ok"]
    monkeypatch.setattr("streams.lookup.record_checks.now", lambda: now() - 60_000)
    (check,) = await checks(settings, "clocks of records")
    assert "the broker's clock is fast, or that of this machine slow" in check.message


async def test_missing_topics_are_named(broker: Broker) -> None:
    """There is nothing to look at."""
    with pytest.raises(SettingsError, match="no topic"):
        await record_checks(Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-"))
