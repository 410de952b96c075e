"""The declared topics as they are on Kafka: what differs, and what may be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]
    ConfigResource,
    ConfigResourceType,
)

from streamrank_client.topics import Topics, TopicSpec
from streamrank_client.vocabulary import HOUR_MS
from streams.kafka.admin import administration, has_users
from streams.settings import Settings, variable

__all__ = ["TopicState", "topic_states"]


@dataclass(frozen=True)
class TopicState:
    """A declared topic as it is on Kafka; ``wrong`` says what differs and what to do, ``risks`` what may be lost.

    ``partitions`` is 0 when it is missing; ``policy`` is Kafka's cleanup policy, None where
    the broker does not tell.
    """

    spec: TopicSpec
    partitions: int
    policy: str | None = None
    wrong: tuple[str, ...] = field(default=())
    risks: tuple[str, ...] = field(default=())


async def topic_states(settings: Settings) -> list[TopicState]:
    """Every declared topic as it is on Kafka. Raises Unavailable when Kafka does not answer."""
    wanted = settings.topics
    async with administration(settings) as (admin, client):
        cluster = await client.fetch_all_metadata()
        names = [spec.name for spec in wanted if spec.name in cluster.topics()]
        described: dict[str, Any] = {}
        configs: Mapping[str, Mapping[str, str]] = {}
        if names:
            described = {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(names)}
            configs = await _configs(admin, names)
        brokers = len(cluster.brokers())
    return [
        _state(spec, wanted, settings, configs.get(spec.name, {}), described.get(spec.name, []), brokers)
        for spec in wanted
    ]


def _state(
    spec: TopicSpec,
    wanted: Topics,
    settings: Settings,
    config: Mapping[str, str],
    described: Sequence[Mapping[str, Any]],
    brokers: int,
) -> TopicState:
    """``config``: what the broker tells of it; ``described``: its partitions, with leader and replicas."""
    if not described:
        return TopicState(spec, 0, None, ("missing: make it with `streamrank topics create`",))
    wrong: list[str] = []
    if len(described) != spec.partitions:
        remedy = (
            f"set {variable('partitions')}={len(described)} everywhere"
            if has_users(spec, wanted)
            else ("delete the topic and make it again with `streamrank topics create`")
        )
        wrong.append(f"{len(described)} partitions instead of {spec.partitions}: {remedy}")
    declared, policy = spec.config.get("cleanup.policy", "delete"), config.get("cleanup.policy")
    if policy is not None and policy != declared:
        wrong.append(f"cleanup.policy is {policy} instead of {declared}: set it with kafka-configs")
    replicas = min(len(partition["replicas"]) for partition in described)
    if (needed := int(config.get("min.insync.replicas", 1))) > replicas:
        wrong.append(
            f"nothing can be published with min.insync.replicas {needed} of {replicas} replicas: lower it with "
            "kafka-configs, or add replicas"
        )
    risks = [*_replica_risks(described, settings.replication, brokers)]
    if spec in (wanted.behavior_events, wanted.signals, wanted.feedback):
        risks += _retention_risks(config, settings.join_hours)
    return TopicState(spec, len(described), policy, tuple(wrong), tuple(risks))


def _replica_risks(described: Sequence[Mapping[str, Any]], wanted: int, brokers: int) -> Iterator[str]:
    replicas = min(len(partition["replicas"]) for partition in described)
    if replicas < wanted:
        yield (
            f"{replicas} of {wanted} replicas: add some with kafka-reassign-partitions, "
            f"or set {variable('replication')}={replicas}"
        )
    elif replicas == 1 and brokers > 1:
        yield (
            f"1 replica on {brokers} brokers, so one of them takes it along: add some with kafka-reassign-partitions, "
            f"and set {variable('replication')}"
        )
    behind = sum(len(partition["isr"]) < len(partition["replicas"]) for partition in described)
    if behind:
        yield f"{behind} partitions have replicas that are behind or away: see that all brokers run"


def _retention_risks(config: Mapping[str, str], join_hours: float) -> Iterator[str]:
    kept_ms, kept_bytes = int(config.get("retention.ms", -1)), int(config.get("retention.bytes", -1))
    if 0 <= kept_ms < join_hours * HOUR_MS:
        yield (
            f"retention.ms keeps events for {kept_ms / HOUR_MS:g} hours, so a worker away for longer loses some: "
            f"raise it with kafka-configs above {variable('join_hours')}={join_hours:g}, and above the age of your "
            "oldest backup of Redis"
        )
    if kept_bytes >= 0:
        yield (
            f"retention.bytes is {kept_bytes}, so events of a busy day go before their time: set it to -1 with "
            "kafka-configs"
        )


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, Mapping[str, str]]:
    """The settings of each topic, as far as the broker tells them."""
    found: dict[str, dict[str, str]] = {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    for response in await admin.describe_configs(asked):
        for code, _, _, name, entries in response.resources:
            if not code:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1]}
    return found
