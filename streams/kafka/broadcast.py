"""Compacted topics read whole by every worker that needs them: the catalogue, the ranker's weights.

``BroadcastReader`` belongs to no consumer group: it reads all partitions from their start, and follows.

    reader = BroadcastReader("catalogue", "localhost:9092", take)
    await reader.start()          # returns when all that was there has been taken
    ...
    await reader.stop()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, perf_counter
from typing import Any, Final, NamedTuple, Self, TypeAlias

import aiokafka  # type: ignore[import-untyped]
import structlog

from streamrank_client.errors import StreamrankError
from streamrank_client.following import metadata_client, partition_counts
from streams.kafka.ending import ENDS_WITHIN_S, ended
from streams.kafka.transport.records import Record, unpack_to_tuples

__all__ = ["MOST", "BroadcastError", "BroadcastReader", "Pace", "Read", "Skipped", "Take", "pair", "say_skipped"]


class Skipped(NamedTuple):
    """A record that could not be used, and why."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    reason: str


#: a record's key and value to what they say; raises for a record that says nothing usable
Read: TypeAlias = Callable[[bytes | None, bytes | None], Any]
#: takes what was read, in offset order
Take: TypeAlias = Callable[[Sequence[Any]], None]

#: most records that are handled before the event loop gets its turn
MOST: Final = 1000

log = structlog.get_logger(__name__)


class BroadcastError(StreamrankError):
    """A broadcast topic cannot be read. Operator action: in the message."""


def pair(key: bytes | None, value: bytes | None) -> tuple[bytes, bytes | None]:
    """A record as it is; a value of None is a tombstone. Raises ValueError for one without a key."""
    if key is None:
        raise ValueError("it has no key")
    return key, value


def say_skipped(record: Skipped) -> None:
    """A line in the log."""
    log.error(
        "a record of a broadcast topic is skipped, its predecessor stays in force: run `streamrank topics repair`",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        reason=record.reason[:300],
    )


class Pace:
    """How many records to handle before the event loop gets its turn: about ``seconds`` of work.

    >>> pace = Pace(seconds=0.002)
    >>> pace.took(records=64, seconds=0.0016)     # 25 µs each
    >>> pace.size
    80
    """

    def __init__(self, seconds: float, first: int = 64, most: int = MOST) -> None:
        self._seconds = seconds
        self._most = most
        self.size = first

    def took(self, records: int, seconds: float) -> None:
        """Learn from a chunk: shrinks at once, at most doubles."""
        fitting = int(self._seconds * records / max(seconds, 1e-9))
        self.size = max(1, min(fitting, 2 * self.size, self._most))


class BroadcastReader:
    """Reads ``topic`` whole, then follows it in the background: each record through ``read``, then to ``take``.

    ``kafka`` goes to ``AIOKafkaConsumer`` (``security_protocol``, ``ssl_context``, ``sasl_*``). ``take`` gets chunks of
    a few milliseconds at most; between them the event loop runs. A record for which ``read`` or ``take`` raises is
    skipped, and ``skip`` is told. When Kafka raises, reading ends: ``start`` raises it, later ``task`` holds it, and
    ``ready`` is false. ``fetch_max_wait_ms``: 10 on Tansu, which wakes no waiting fetch.
    """

    def __init__(
        self,
        topic: str,
        bootstrap: str | Sequence[str],
        take: Take,
        *,
        read: Read = pair,
        skip: Callable[[Skipped], None] = say_skipped,
        fetch_max_wait_ms: int = 50,
        **kafka: Any,
    ) -> None:
        self.topic = topic
        #: records read so far, tombstones and skipped ones included
        self.applied = 0
        self._read = read
        self._take = take
        self._skip = skip
        self._pace = Pace(seconds=0.002)
        self._connection = {"bootstrap_servers": bootstrap, **kafka}
        self._settings = {
            **self._connection,
            "group_id": None,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "fetch_max_wait_ms": fetch_max_wait_ms,
            # One response is decoded in one go: small ones keep that short.
            "fetch_max_bytes": 1 << 20,
            "max_partition_fetch_bytes": 1 << 20,
        }
        self._consumer: Any = None
        self._loaded = asyncio.Event()
        self._ends: dict[Any, int] = {}
        self.task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether all that was there at the start has been applied, and reading goes on."""
        return self._loaded.is_set() and self.task is not None and not self.task.done()

    @property
    def error(self) -> BaseException | None:
        """What ended the reading, or None."""
        if self.task is None or not self.task.done() or self.task.cancelled():
            return None
        return self.task.exception()

    async def start(self) -> None:
        """Read to the end that the topic had at the start; return then. Raises what ended the reading.

        Raises ``BroadcastError`` when the topic does not exist.
        """
        if self.task is not None:
            raise BroadcastError(f"the reader of {self.topic!r} is started already: make another one")
        self._consumer = aiokafka.AIOKafkaConsumer(**self._settings)
        try:
            await self._consumer.start()
            unpack_to_tuples(self._consumer._fetcher, lambda _topic: True)
            self._consumer.assign(await self._partitions())
            await self._consumer.seek_to_beginning()
            self.task = asyncio.create_task(self._follow(), name=f"broadcast {self.topic}")
            loaded = asyncio.create_task(self._loaded.wait())
            await asyncio.wait({self.task, loaded}, return_when=asyncio.FIRST_COMPLETED)
            loaded.cancel()
            if self.task.done():
                await self.task
        except BaseException:
            await self.stop()
            self.task = None  # it may be started again
            self._ends.clear()
            raise

    async def stop(self) -> None:
        """End the reading and disconnect. ``task`` keeps its exception."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await ended(f"reader of {self.topic}", consumer.stop(), ENDS_WITHIN_S)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _partitions(self) -> list[aiokafka.TopicPartition]:
        deadline = monotonic() + 1.5  # the metadata of a topic created just now take a moment
        async with metadata_client(self._connection) as client:
            while not (count := (await partition_counts(client)).get(self.topic, 0)):
                if monotonic() > deadline:
                    raise BroadcastError(f"there is no topic {self.topic!r}: run `streamrank topics create`")
                await asyncio.sleep(0.1)
        return [aiokafka.TopicPartition(self.topic, number) for number in range(count)]

    async def _follow(self) -> None:
        while True:
            timeout_ms = 1000 if self._loaded.is_set() else 20
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=self._pace.size)
            for tp, records in fetched.items():
                self._apply_records(tp, records)
            if not self._loaded.is_set() and await self._at_end():
                self._loaded.set()
            await asyncio.sleep(0)

    def _apply_records(self, tp: Any, records: Sequence[Record]) -> None:
        began = perf_counter()
        self._take_usable(tp, records)
        self.applied += len(records)
        self._pace.took(len(records), perf_counter() - began)

    def _take_usable(self, tp: Any, records: Sequence[Record]) -> None:
        usable, found = [], []
        for record in records:
            try:
                found.append(self._read(record.key, record.value))
                usable.append(record)
            except Exception as error:
                self._skip(Skipped(tp.topic, tp.partition, record.offset, record.key, str(error)))
        if not found:
            return
        try:
            self._take(found)
        except Exception as error:
            if len(found) == 1:
                reason = f"{type(error).__name__}: {error}"
                self._skip(Skipped(tp.topic, tp.partition, usable[0].offset, usable[0].key, reason))
                return
            for record in usable:
                self._take_usable(tp, [record])

    async def _at_end(self) -> bool:
        """Whether each partition has been read up to the end that its first fetch reported.

        ``end_offsets`` is wrong on Tansu; the end in a fetch response is right there and on Kafka, also when
        a partition is empty.
        """
        for tp in self._consumer.assignment():
            if tp not in self._ends:
                end = self._consumer.highwater(tp)
                if end is None:
                    return False
                self._ends[tp] = end
            if await self._consumer.position(tp) < self._ends[tp]:
                return False
        return True
