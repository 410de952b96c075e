"""A key's partition is the one that aiokafka and the Java client choose."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.transport import partition_for


@given(st.binary(max_size=64), st.integers(1, 300))
def test_it_equals_the_default_partitioner(key: bytes, partitions: int) -> None:
    """For any key and number of partitions."""
    everything = list(range(partitions))
    assert partition_for(key, partitions) == DefaultPartitioner()(key, everything, everything)


def test_it_equals_the_java_client() -> None:
    """murmur2 of the Java client's own unit test: 21 gives -973932308, foobar -790332482."""
    assert partition_for(b"21", 1 << 31) == -973932308 & 0x7FFFFFFF
    assert partition_for(b"foobar", 1 << 31) == -790332482 & 0x7FFFFFFF


def test_a_topic_without_partitions_is_refused() -> None:
    """Zero is an error of the caller."""
    with pytest.raises(ValueError, match="partitions is 0"):
        partition_for(b"k", 0)
