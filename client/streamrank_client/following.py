"""Reading a topic without a group: all partitions, from the end or from the start.

On the embedded broker the end of a partition is reported as the first offset of its last batch, plus one:
following from there may show a few records that were there before, and misses none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import (  # type: ignore[import-untyped]
    AIOKafkaClient,
    AIOKafkaConsumer,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.doors import refusal
from streamrank_client.errors import SettingsError, Unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.settings import ClientSettings, variable

__all__ = ["existing_topics", "following", "metadata_client", "partition_counts", "records", "unavailable"]


@asynccontextmanager
async def following(settings: ClientSettings, *names: str, from_start: bool = False) -> AsyncIterator[AIOKafkaConsumer]:
    """A started consumer on all partitions of the topics, its positions fixed before the block begins.

    Whatever is published after that is read. Raises SettingsError when a topic is missing, Unavailable
    when Kafka does not answer.
    """
    consumer = AIOKafkaConsumer(
        **kafka_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=settings.fetch_wait_ms,
        max_partition_fetch_bytes=8 << 20,
    )
    try:
        try:
            await consumer.start()
            counts = await existing_topics(settings, names)
            partitions = [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]
            await assign_all(consumer, partitions, from_start=from_start)
        except (KafkaError, OSError) as error:
            raise await unavailable(settings, error) from error
        yield consumer
    finally:
        await consumer.stop()


async def assign_all(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, from_start: bool) -> None:
    """Assign the partitions and fix their positions."""
    consumer.assign(partitions)
    if from_start:
        await consumer.seek_to_beginning(*partitions)
    else:
        await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)


async def existing_topics(settings: ClientSettings, names: Iterable[str]) -> dict[str, int]:
    """The number of partitions of each topic named. Raises SettingsError naming those that do not exist, Unavailable
    when Kafka does not answer.
    """
    try:
        async with metadata_client(kafka_options(settings)) as client:
            counts = await partition_counts(client)
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    named = {name: counts.get(name, 0) for name in names}
    missing = sorted(name for name, partitions in named.items() if not partitions)
    if missing:
        raise SettingsError(
            f"no topic {', '.join(missing)} on this Kafka: make the topics with `streamrank topics create`, "
            f"or correct {variable('shop')} and {variable('topic_prefix')}"
        )
    return named


@asynccontextmanager
async def metadata_client(options: Mapping[str, Any]) -> AsyncIterator[AIOKafkaClient]:
    """A connection that can be asked what there is; ``options``: as for a consumer. Raises KafkaError.

    A consumer's own public methods tell the names of all topics, but the partitions only of those that it has asked
    for by name, and some brokers make a topic that is asked for.
    """
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def partition_counts(client: AIOKafkaClient) -> dict[str, int]:
    """The number of partitions of every topic there is. Raises KafkaError."""
    cluster = await client.fetch_all_metadata()
    return {name: len(cluster.partitions_for_topic(name) or ()) for name in cluster.topics()}


async def unavailable(settings: ClientSettings, error: Exception) -> Unavailable:
    """Kafka's error as one line with the address and what to do."""
    refused = await refusal(settings)
    if refused is not None:
        return Unavailable(f"Kafka at {settings.kafka} ({settings.kafka_security}) {refused}")
    reason = str(error) or type(error).__name__
    return Unavailable(
        f"Kafka at {settings.kafka} ({settings.kafka_security}) failed: {reason}: "
        f"check {variable('kafka')} and the broker, or ask `streamrank doctor`"
    )


async def records(consumer: AIOKafkaConsumer) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record as it comes, without end."""
    while True:
        for batch in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in batch:
                yield record
