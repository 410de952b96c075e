"""Making the topics, and seeing that those which are there have the partitions that the settings say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, for_code  # type: ignore[import-untyped]

from streamrank_client.errors import SettingsError, Unavailable
from streamrank_client.following import existing_topics, metadata_client, partition_counts, unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.topics import Topics, TopicSpec
from streams.settings import Settings, variable

__all__ = ["administration", "check_topics", "create_topics", "group_members", "has_users"]

_EXISTS: Final = 36
#: seconds that new topics may take to have leaders
_PATIENCE: Final = 15.0


async def create_topics(settings: Settings) -> list[TopicSpec]:
    """Make the topics that are missing; returns them. Those that exist are left as they are.

    Raises SettingsError, and makes none, where one that exists has another number of partitions than the settings say;
    Unavailable when Kafka does not answer or refuses, naming the topic.
    """
    wanted = settings.topics
    async with administration(settings) as (admin, client):
        there = await partition_counts(client)
        _check_counts(settings, there)
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


async def check_topics(settings: Settings, some: Iterable[TopicSpec] | None = None) -> None:
    """Raise SettingsError where a declared topic is missing, or has another number of partitions than the settings say:
    users, items and queries would be looked for where they are not. Raises Unavailable when Kafka does not answer.

    ``some``: look at these only.
    """
    declared = settings.topics if some is None else some
    _check_counts(settings, await existing_topics(settings, [spec.name for spec in declared]))


def _check_counts(settings: Settings, there: Mapping[str, int]) -> None:
    """Raise SettingsError where one of the topics that are there has another number of partitions than the settings
    say.
    """
    wanted = settings.topics
    counts = {spec.name: there.get(spec.name, 0) for spec in wanted if has_users(spec, wanted)}
    wrong = {name: count for name, count in counts.items() if count not in (0, settings.partitions)}
    if not wrong:
        return
    found = set(counts.values()) - {0}
    remedy = (
        f"set {variable('partitions')}={found.pop()}"
        if len(found) == 1
        else f"these topics need one number: make them anew, or choose another {variable('shop')}"
    )
    listed = ", ".join(f"{name} has {count}" for name, count in wrong.items())
    raise SettingsError(f"{variable('partitions')}={settings.partitions}, but {listed}: {remedy}")


async def group_members(settings: Settings, groups: Sequence[str]) -> dict[str, int]:
    """How many members each consumer group has; one of which the broker does not tell is left out.

    Raises Unavailable when Kafka does not answer.
    """
    members: dict[str, int] = {}
    async with administration(settings) as (admin, _):
        for name in groups:  # one at a time: aiokafka misreads an answer about several
            for answer in await admin.describe_consumer_groups([name]):
                for code, group, _, _, _, of_group in (entry[:6] for entry in answer.groups):
                    if code and for_code(code).retriable:  # its coordinator is loading, or moves
                        raise for_code(code)(group)
                    if not code:
                        members[group] = len(of_group)
    return members


def has_users(spec: TopicSpec, wanted: Topics) -> bool:
    """Whether a topic has as many partitions as the settings say; the others have one."""
    return spec not in (
        wanted.feedback,
        wanted.catalogue,
        wanted.ranker_weights,
        wanted.queries,
        wanted.rules,
        wanted.dead_letters,
        wanted.damaged_batches,
    )


@asynccontextmanager
async def administration(settings: Settings) -> AsyncIterator[tuple[AIOKafkaAdminClient, AIOKafkaClient]]:
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
