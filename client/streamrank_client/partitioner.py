"""Which partition a key belongs to: Kafka's default, so that every client agrees."""

from __future__ import annotations

__all__ = ["partition_for"]


def partition_for(key: bytes, partitions: int) -> int:
    """Partition of ``key`` in a topic of ``partitions``, as the Java client and aiokafka choose it (murmur2).

    >>> partition_for(b"u1", 8) == partition_for(b"u1", 8)
    True
    """
    # here: whoever imports the client's events does not load a Kafka client
    from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]

    if partitions < 1:
        raise ValueError(f"partitions is {partitions}: a topic has at least one")
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
