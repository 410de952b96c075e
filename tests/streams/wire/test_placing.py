"""Partitions of many keys: as Kafka's clients choose them one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.partitioner import partition_for
from streams.wire.placing import partitions_of


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 1_000))
def test_many_keys_lie_where_each_alone_does(keys: list[bytes], partitions: int) -> None:
    """Of any length, and none at all."""
    assert partitions_of(keys, partitions).tolist() == [partition_for(key, partitions) for key in keys]
