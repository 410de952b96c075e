"""The newest records of topics, for a look at what producers do, and at what was set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException, KafkaError  # type: ignore[import-untyped]

from streamrank_client.following import existing_topics, unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.topics import TopicSpec
from streams.settings import Settings

__all__ = ["Sample", "newest_records"]

#: records looked at in each partition
NEWEST: Final = 50
#: seconds after which what has been read is enough
PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest records of a topic, by partition."""

    spec: TopicSpec
    partitions: Sequence[Sequence[ConsumerRecord]]

    @property
    def records(self) -> list[ConsumerRecord]:
        """All of them."""
        return [record for own in self.partitions for record in own]


async def newest_records(settings: Settings, specs: Sequence[TopicSpec]) -> list[Sample]:
    """The newest records of topics, of all their partitions.

    Raises SettingsError where one of them is missing, Unavailable when Kafka is away.
    """
    counts = await existing_topics(settings, [spec.name for spec in specs])
    partitions = {spec.name: [TopicPartition(spec.name, p) for p in range(counts[spec.name])] for spec in specs}
    consumer = AIOKafkaConsumer(
        **kafka_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
        check_crcs=False,  # what is damaged is looked at as far as it can be unpacked
    )  # fmt: skip
    try:
        await consumer.start()
        records = await _newest(consumer, [tp for own in partitions.values() for tp in own])
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    finally:
        await consumer.stop()
    return [Sample(spec, [records[tp] for tp in partitions[spec.name]]) for spec in specs]


async def _newest(consumer: Any, partitions: Sequence[Any]) -> dict[Any, list[ConsumerRecord]]:
    consumer.assign(partitions)
    begins, ends = await asyncio.gather(consumer.beginning_offsets(partitions), consumer.end_offsets(partitions))
    found: dict[Any, list[ConsumerRecord]] = {tp: [] for tp in partitions}
    starts = {tp: max(begins[tp], ends[tp] - NEWEST) for tp in partitions}
    for tp, start in starts.items():
        consumer.seek(tp, start)
    unread = {tp for tp, start in starts.items() if start < ends[tp]}
    deadline = monotonic() + PATIENCE_S
    while unread and monotonic() < deadline:
        try:
            fetched = await consumer.getmany(timeout_ms=200)
        except CorruptRecordException:
            break  # what has been read is enough
        for tp, records in fetched.items():
            found[tp] += [record for record in records if record.offset < ends[tp]]
        for tp in list(unread):
            if await consumer.position(tp) >= ends[tp]:
                unread.discard(tp)
    return found
