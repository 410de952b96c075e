"""Topics as they are on Kafka: too few replicas, a retention that loses feedback, writes that cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.kafka.admin import create_topics
from streams.kafka.topic_states import TopicState, topic_states
from streams.settings import Settings
from tests.support.servers import Broker


async def state_of(settings: Settings, topic: str) -> TopicState:
    """The one topic's."""
    (found,) = [one for one in await topic_states(settings) if one.spec.name == settings.topic_prefix + topic]
    return found


async def test_fewer_replicas_than_the_settings_say_are_a_risk(broker: Broker) -> None:
    """With how many there are, and the setting; as many as they say are none."""
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2)
    await create_topics(settings)
    (risk,) = (await state_of(replace(settings, replication=3), "item-events")).risks
    assert risk.startswith("1 of 3 replicas: ")
    assert "STREAMRANK_REPLICATION=1" in risk
    assert (await state_of(settings, "item-events")).risks == ()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"retention_ms": "3600000"}, "retention.ms keeps events for 1 hours"),
        ({"retention_bytes": "1000000"}, "retention.bytes is 1000000"),
    ],
    ids=["time", "size"],
)
async def test_a_retention_that_loses_feedback_is_a_risk(
    real_broker: Broker, config: dict[str, Any], words: str
) -> None:
    """Shorter than behaviour may join its impression, or bounded by size; of queries it may be short."""
    await real_broker.create("feedback", 1, **config)
    await real_broker.create("query-events", 2, **config)
    settings = Settings(kafka=real_broker.kafka, topic_prefix=real_broker.prefix + "-", partitions=2)
    (risk,) = (await state_of(settings, "feedback")).risks
    assert words in risk
    assert "kafka-configs" in risk
    assert (await state_of(settings, "query-events")).risks == ()


async def test_a_topic_that_takes_no_writes_is_wrong(real_broker: Broker) -> None:
    """More in-sync replicas are asked for than there are."""
    await real_broker.create("signals", 2, min_insync_replicas="2")
    settings = Settings(kafka=real_broker.kafka, topic_prefix=real_broker.prefix + "-", partitions=2)
    (wrong,) = (await state_of(settings, "signals")).wrong
    assert wrong.startswith("nothing can be published with min.insync.replicas 2 of 1 replicas: ")
