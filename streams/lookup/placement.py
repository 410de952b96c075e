"""Whether producers choose partitions as streamrank does: the newest records of each source topic, by their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.following import unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.topics import TopicSpec, topics
from streams.settings import Settings
from streams.wire.placing import partitions_of

__all__ = ["Placement", "placements"]

#: records looked at in each partition
NEWEST: Final = 50
#: seconds after which what has been read is enough
PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Of a topic's newest records with a key: how many were looked at, and how many lie on a wrong partition."""

    topic: str
    looked_at: int
    wrong: int


async def placements(settings: Settings) -> list[Placement]:
    """The placement of item-events, behavior-events and query-events. Raises Unavailable when Kafka is away."""
    every = topics(settings.partitions, settings.topic_prefix)
    specs = [every.item_events, every.behavior_events, every.query_events]
    consumer = AIOKafkaConsumer(
        **kafka_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        every_partition = [[TopicPartition(s.name, p) for p in range(s.partitions)] for s in specs]
        keys = await _newest_keys(consumer, [tp for own in every_partition for tp in own])
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    finally:
        await consumer.stop()
    return [_placement(spec, [keys[tp] for tp in own]) for spec, own in zip(specs, every_partition, strict=True)]


async def _newest_keys(consumer: Any, partitions: Sequence[Any]) -> dict[Any, list[bytes]]:
    consumer.assign(partitions)
    begins, ends = await asyncio.gather(consumer.beginning_offsets(partitions), consumer.end_offsets(partitions))
    keys: dict[Any, list[bytes]] = {tp: [] for tp in partitions}
    starts = {tp: max(begins[tp], ends[tp] - NEWEST) for tp in partitions}
    for tp, start in starts.items():
        consumer.seek(tp, start)
    unread = {tp for tp, start in starts.items() if start < ends[tp]}
    deadline = monotonic() + PATIENCE_S
    while unread and monotonic() < deadline:
        for tp, records in (await consumer.getmany(timeout_ms=200)).items():
            keys[tp] += [record.key for record in records if record.key and record.offset < ends[tp]]
        for tp in list(unread):
            if await consumer.position(tp) >= ends[tp]:
                unread.discard(tp)
    return keys


def _placement(spec: TopicSpec, keys: Sequence[Sequence[bytes]]) -> Placement:
    """``keys``: those of each partition, in order."""
    wrong = [int((partitions_of(here, spec.partitions) != p).sum()) for p, here in enumerate(keys)]
    return Placement(spec.name, sum(map(len, keys)), sum(wrong))
