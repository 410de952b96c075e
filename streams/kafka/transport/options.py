"""What an app can set on its transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeAlias

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.exceptions import ImproperlyConfigured
from faust.types import TP

from streams.kafka.transport.damaged import SetAside

__all__ = ["BatchOptions", "Bounds", "PartitionsHook", "StartOffsets"]


class Bounds(NamedTuple):
    """What Kafka holds of a partition: from ``first`` on; and the group's ``committed`` offset, None for none.

    ``out_of_range``: where it was read last Kafka holds nothing.
    """

    first: int
    committed: int | None
    out_of_range: bool = False


#: given partitions with what Kafka holds of each, the offset to start each at, or why it must not be read; of one that
#: is absent, the committed offset, else the first
StartOffsets: TypeAlias = Callable[[Mapping[TP, Bounds]], Awaitable[Mapping[TP, int | str]]]
PartitionsHook: TypeAlias = Callable[[set[TP]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Tuning and hooks of ``BatchTransport``. Times are in seconds unless the name says otherwise.

    ``on_assigned`` and ``start_offsets`` run, in this order, after every rebalance and before any record is
    delivered. ``on_revoking`` runs before what is in work is waited for, ``on_revoked`` after it is done (or
    ``drain_timeout`` has passed) and committed. An exception in one of them ends the worker. Raises
    ``ImproperlyConfigured`` for a value that cannot work.
    """

    #: how long the broker may hold a fetch that finds nothing. Kafka answers as soon as a record arrives, but
    #: one fetch serves all partitions of a broker: a partition emptied meanwhile waits for it. 10 on Tansu.
    fetch_max_wait_ms: int = 50
    #: bytes of one fetch per partition
    max_partition_fetch_bytes: int = 1 << 20
    #: a worker that sends no heartbeat for so long loses its partitions
    session_timeout: float = 10.0
    heartbeat_interval: float = 2.0
    #: how often Kafka's offset is committed; Kafka's is for lag monitors when ``start_offsets`` is given
    commit_interval: float = 0.25
    #: at a rebalance and at the end, how long batches in work may take to finish
    drain_timeout: float = 5.0
    #: how long the commit after it may take, and then how long leaving the group may
    commit_timeout: float = 1.0
    leave_timeout: float = 1.5
    #: a partition is not fetched while it has so many batches or records in work
    max_inflight_batches: int = 64
    max_inflight_records: int = 20_000
    start_offsets: StartOffsets | None = None
    #: what ``start_offsets`` may raise while something is away: the partitions wait for it
    retriable: tuple[type[Exception], ...] = (KafkaError, OSError)
    #: the first pause before partitions that wait are tried again; and how often stopped ones are
    place_backoff: float = 0.05
    stopped_retry: float = 15.0
    #: keeps a batch whose checksum is wrong, which is then passed over; without it such a batch stops its partition
    set_aside: SetAside | None = None
    on_assigned: PartitionsHook | None = None
    on_revoking: PartitionsHook | None = None
    on_revoked: PartitionsHook | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value <= 0:
                raise ImproperlyConfigured(f"BatchOptions.{field.name} is {value}: give a number above 0")
        if self.heartbeat_interval * 2 > self.session_timeout:
            raise ImproperlyConfigured(
                f"BatchOptions.heartbeat_interval is {self.heartbeat_interval} s: give at most half of "
                f"session_timeout ({self.session_timeout} s)"
            )
