"""Records of batch topics become tuples, in this consumer's fetcher and nowhere else."""

from __future__ import annotations

import time
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher as aiokafka_fetcher  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import (  # type: ignore[import-untyped]
    FetchError,
    FetchResult,
    PartitionRecords,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]
from aiokafka.structs import ConsumerRecord, TopicPartition  # type: ignore[import-untyped]
from faust.exceptions import ImproperlyConfigured
from faust.types import TP

from streams.kafka.transport.records import RecordBatch, unpack_to_tuples
from streams.wire.messages import Record


def partition_records(tp: Any) -> Any:
    """Two records of a partition, as aiokafka holds them before they are unpacked."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, 1_700_000_000_000, b"k", b"v", [("h", b"1")])
    builder.append(1, 1_700_000_000_001, b"k", None, [])
    return PartitionRecords(tp, MemoryRecords(bytes(builder.build())), [], 0, None, None, True, 0)


def test_only_batch_topics_of_this_fetcher_are_unpacked_to_tuples() -> None:
    """A plain topic beside it, and aiokafka's classes, stay as they are."""
    before = aiokafka_fetcher.PartitionRecords, PartitionRecords._consumer_record
    fetcher = SimpleNamespace(_records=OrderedDict())
    unpack_to_tuples(fetcher, lambda topic: topic == "batch")
    for topic in ("batch", "plain"):
        tp = TopicPartition(topic, 0)
        fetcher._records[tp] = FetchResult(tp, assignment=None, partition_records=partition_records(tp), backoff=0)
    batch, plain = (list(fetcher._records[TopicPartition(t, 0)]._partition_records) for t in ("batch", "plain"))
    assert batch == [
        (b"k", b"v", 0, 1_700_000_000_000, [("h", b"1")]),
        (b"k", None, 1, 1_700_000_000_001, []),
    ]
    assert [type(record) for record in plain] == [ConsumerRecord, ConsumerRecord]
    assert (aiokafka_fetcher.PartitionRecords, PartitionRecords._consumer_record) == before


def test_a_fetch_error_passes_through() -> None:
    """An error in place of records is kept for the caller."""
    fetcher = SimpleNamespace(_records=OrderedDict())
    unpack_to_tuples(fetcher, lambda _topic: True)
    error = FetchError(error=RuntimeError("x"), backoff=0)
    fetcher._records[TopicPartition("t", 0)] = error
    assert fetcher._records[TopicPartition("t", 0)] is error


def test_an_unknown_aiokafka_is_refused() -> None:
    """Where the insides differ, the transport says so instead of delivering something else."""
    with pytest.raises(ImproperlyConfigured, match=r"install aiokafka 0\.14"):
        unpack_to_tuples(SimpleNamespace(_records=[]), lambda _topic: True)


def test_a_batch_tells_its_offsets_and_values() -> None:
    """They begin and end where they are said to: before and past holes around the records."""
    now = int(time.time() * 1000)
    batch = RecordBatch([Record(b"a", b"1", 4, now, []), Record(b"b", None, 7, now, [])], TP("t", 3), 2, 9, 12)
    assert (batch.position, batch.first_offset, batch.last_offset, batch.next_offset) == (2, 4, 7, 9)
    assert batch.values == [b"1", None]
    assert (batch.tp, batch.highwater, batch.attempt) == (TP("t", 3), 12, 0)
