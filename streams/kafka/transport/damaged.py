"""Batches that Kafka hands out with a wrong checksum: fetched three times, then set aside whole and passed over.

A checksum that is wrong once may be the network's fault; one that is wrong three times lies so on the broker's disk,
and waiting mends nothing. Kafka checks what producers send, so no producer can make one.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from aiokafka.protocol.fetch import FetchRequest  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]
from faust.types import TP

__all__ = ["DamagedBatch", "DamagedBatches", "SetAside", "damaged_batch", "raw_fetch"]

#: how often a batch is fetched before it counts as damaged
FETCHES: Final = 3
#: bytes of the fetch that shows it: more than any topic's largest batch, so that the head of the next one is among them
MOST_BYTES: Final = 8 << 20
#: a batch's first offset and the bytes behind them; magic; last offset, from the first
_HEAD, _MAGIC, _LAST = struct.Struct(">qi"), 16, struct.Struct(">23xi")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DamagedBatch:
    """A batch of a partition as Kafka holds it: ``raw``; its offsets run from ``first`` to before ``next_offset``."""

    tp: TP
    first: int
    next_offset: int
    raw: bytes


#: keeps a damaged batch; returns once it is kept
SetAside = Callable[[DamagedBatch], Awaitable[None]]


class DamagedBatches:
    """How often each partition's next batch was fetched with a wrong checksum, and what becomes of it."""

    def __init__(
        self, load: Callable[[TP], Awaitable[DamagedBatch | None]], pass_over: Callable[[DamagedBatch], Awaitable[None]]
    ) -> None:
        """``load``: the batch at which a partition stands, None if its checksum is right by now; ``pass_over``: go on
        behind it.
        """
        self._load = load
        self._pass_over = pass_over
        self._fetches: dict[TP, tuple[int | None, int]] = {}

    async def seen(self, tp: TP, position: int | None, set_aside: SetAside) -> None:
        """A fetch at ``position`` had a wrong checksum: wait for the next one, or set the batch aside and go on."""
        before, fetches = self._fetches.get(tp, (None, 0))
        fetches = fetches + 1 if before == position else 1
        self._fetches[tp] = position, fetches
        if fetches < FETCHES:
            log.warning("a batch has a wrong checksum: fetched again", partition=f"{tp.topic}[{tp.partition}]")
            return
        try:
            batch = await self._load(tp)
            if batch is not None:
                await set_aside(batch)
                await self._pass_over(batch)
        except (KafkaError, OSError) as error:
            log.warning(
                "a damaged batch waits to be set aside", partition=f"{tp.topic}[{tp.partition}]", error=str(error)
            )
        else:
            del self._fetches[tp]


async def raw_fetch(client: Any, tp: Any, offset: int) -> tuple[bytes, int]:
    """The batches from ``offset`` on as they came, with wrong checksums, and the end of the partition. ``client``:
    aiokafka's. Raises KafkaError.
    """
    about = 100, 1, MOST_BYTES, 0, [(tp.topic, [(tp.partition, offset, MOST_BYTES)])]
    # until aiokafka 0.13 each version of a request was a class of its own
    request = FetchRequest[4](-1, *about) if isinstance(FetchRequest, list) else FetchRequest(*about)
    response = await client.send(client.cluster.leader_for_partition(tp), request)
    for _, partitions in response.topics:
        for _, _, end, *more in partitions:
            return bytes(more[-1] or b""), end
    raise KafkaError(f"no answer about {tp}")


def damaged_batch(tp: TP, raw: bytes, end: int) -> DamagedBatch | None:
    """The first batch of what was fetched; None where its checksum is right, or there is none. ``end``: that of the
    partition.

    The checksum does not cover the first offset and the length, so where the next batch begins is known; what the
    batch itself says of its last offset may be damaged, and counts only where no other batch follows.
    """
    records = MemoryRecords(raw)
    if not records.has_next() or records.next_batch().validate_crc():
        return None
    first, length = _HEAD.unpack_from(raw)
    stop = _HEAD.size + length
    if len(raw) >= stop + _HEAD.size:
        (next_offset, _) = _HEAD.unpack_from(raw, stop)
    else:
        next_offset = first + 1 + (_LAST.unpack_from(raw)[0] if raw[_MAGIC] > 1 else 0)
    return DamagedBatch(tp, first, min(max(next_offset, first + 1), end), raw[:stop])
