"""Making the topics, and looking at those that are there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import KafkaError, for_code  # type: ignore[import-untyped]

from streamrank_client.errors import Unavailable
from streamrank_client.following import metadata_client, partition_counts, unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.topics import Topics, TopicSpec, topics
from streams.settings import Settings, variable

__all__ = ["TopicState", "create_topics", "group_members", "topic_states"]

_EXISTS: Final = 36
#: seconds that new topics may take to have leaders
_PATIENCE: Final = 15.0


@dataclass(frozen=True)
class TopicState:
    """A declared topic as it is on Kafka; ``wrong`` says what differs and what to do.

    ``partitions`` is 0 when it is missing; ``policy`` is Kafka's cleanup policy, None where
    the broker does not tell.
    """

    spec: TopicSpec
    partitions: int
    policy: str | None = None
    wrong: tuple[str, ...] = field(default=())


async def create_topics(settings: Settings) -> list[TopicSpec]:
    """Make the topics that are missing; returns them. Those that exist are left as they are.

    Raises Unavailable when Kafka does not answer or refuses, naming the topic.
    """
    wanted = topics(settings.partitions, settings.topic_prefix)
    async with _admin(settings) as (admin, client):
        there = await partition_counts(client)
        missing = [spec for spec in wanted if spec.name not in there]
        if not missing:
            return []
        new = [
            NewTopic(spec.name, spec.partitions, settings.replication, topic_configs=dict(spec.config))
            for spec in missing
        ]
        done = await admin.create_topics(new)
        made = _made(settings, missing, done.topic_errors)
        await _until_there(settings, client, made)
    return made


def _made(settings: Settings, missing: list[TopicSpec], replies: Iterable[Sequence[Any]]) -> list[TopicSpec]:
    """Those of the missing topics that were made; Unavailable when Kafka refused one."""
    made = {spec.name: spec for spec in missing}
    for name, code, *message in replies:
        if code == _EXISTS:  # somebody else was faster
            del made[name]
        elif code:
            reason = (message[0] if message else None) or for_code(code).__name__
            raise Unavailable(
                f"Kafka would not make the topic {name}: {reason}: check this user's rights, and "
                f"{variable('replication')}={settings.replication} against the number of brokers"
            )
    return list(made.values())


async def _until_there(settings: Settings, client: AIOKafkaClient, made: list[TopicSpec]) -> None:
    """Wait until the brokers know the topics and their leaders: Kafka answers a creation before that."""
    deadline = monotonic() + _PATIENCE
    while True:
        cluster = await client.fetch_all_metadata()
        led = {spec.name: len(cluster.available_partitions_for_topic(spec.name) or ()) for spec in made}
        late = [spec.name for spec in made if led[spec.name] < spec.partitions]
        if not late:
            return
        if monotonic() > deadline:
            raise Unavailable(
                f"Kafka at {settings.kafka} made {', '.join(late)}, but has no leader for its partitions after "
                f"{_PATIENCE:g} s: see that all brokers run"
            )
        await asyncio.sleep(0.02)


async def topic_states(settings: Settings) -> list[TopicState]:
    """Every declared topic as it is on Kafka. Raises Unavailable when Kafka does not answer."""
    wanted = topics(settings.partitions, settings.topic_prefix)
    async with _admin(settings) as (admin, client):
        there = await partition_counts(client)
        policies = await _policies(admin, [spec.name for spec in wanted if spec.name in there])
    return [_state(spec, there.get(spec.name, 0), policies.get(spec.name), wanted) for spec in wanted]


async def group_members(settings: Settings, groups: Sequence[str]) -> dict[str, int]:
    """How many members each consumer group has; one of which the broker does not tell is left out.

    Raises Unavailable when Kafka does not answer.
    """
    members: dict[str, int] = {}
    async with _admin(settings) as (admin, _):
        for name in groups:  # one at a time: aiokafka misreads an answer about several
            for answer in await admin.describe_consumer_groups([name]):
                for code, group, _, _, _, of_group in (entry[:6] for entry in answer.groups):
                    if code and for_code(code).retriable:  # its coordinator is loading, or moves
                        raise for_code(code)(group)
                    if not code:
                        members[group] = len(of_group)
    return members


def _state(spec: TopicSpec, partitions: int, policy: str | None, wanted: Topics) -> TopicState:
    if not partitions:
        return TopicState(spec, 0, None, ("missing: make it with `streamrank topics create`",))
    wrong: list[str] = []
    if partitions != spec.partitions:
        remedy = (
            f"set {variable('partitions')}={partitions} everywhere"
            if _of_users(spec, wanted)
            else ("delete the topic and make it again with `streamrank topics create`")
        )
        wrong.append(f"{partitions} partitions instead of {spec.partitions}: {remedy}")
    declared = spec.config.get("cleanup.policy", "delete")
    if policy is not None and policy != declared:
        wrong.append(f"cleanup.policy is {policy} instead of {declared}: set it with kafka-configs")
    return TopicState(spec, partitions, policy, tuple(wrong))


def _of_users(spec: TopicSpec, wanted: Topics) -> bool:
    return spec not in (
        wanted.feedback,
        wanted.catalogue,
        wanted.ranker_weights,
        wanted.queries,
        wanted.rules,
        wanted.dead_letters,
    )


async def _policies(admin: AIOKafkaAdminClient, names: list[str]) -> Mapping[str, str]:
    """Cleanup policy of each topic; left out where the broker does not say."""
    if not names:
        return {}
    found: dict[str, str] = {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    for response in await admin.describe_configs(asked):
        for code, _, _, name, entries in response.resources:
            values: dict[str, Any] = {entry[0]: entry[1] for entry in entries}
            if not code and values.get("cleanup.policy"):
                found[name] = values["cleanup.policy"]
    return found


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaClient]]:
    """What changes the cluster, and what is asked how it is. Raises Unavailable for whatever Kafka refuses within."""
    options = kafka_options(settings)
    admin = AIOKafkaAdminClient(**options, request_timeout_ms=10_000)
    try:
        await admin.start()
        async with metadata_client(options) as client:
            yield admin, client
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    finally:
        await admin.close()
