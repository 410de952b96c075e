"""What a stage is, and what all stages work with.

The order within a batch gives exact effects: what follows from it is published and acknowledged first, then its state
is stored together with its watermark, in one transaction; Kafka's offset is committed last. A batch that is done twice
publishes the same deltas again, and their receivers drop them by the places they carry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import ClassVar

from state import keys
from state.marks import offset_of
from state.store import Store, Transaction
from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.topics import TopicSpec
from streams.artifacts.tables import Tables
from streams.errors import NotOwner
from streams.handlers.decoding import dead_letter, letters
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.wire.messages import Publisher, Record
from streams.worker.metrics import Metrics
from streams.worker.poison import handle_each

GuardedRead = Callable[[list[bytes]], Awaitable[list[bytes | None]]]


class QueryTraffic:
    """Whether queries have come in lately: then ingest works in small slices, so that none is held up."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def came(self) -> float:
        """A batch of queries has come; returns the moment, in seconds of the monotonic clock."""
        self._last = monotonic()
        return self._last

    @property
    def busy(self) -> bool:
        """Whether the last five seconds brought any."""
        return monotonic() - self._last < 5.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """What stages work with. ``patience_s``: the longest wait of a query for its ``after`` event; ``learning_rate``
    and ``position_bias``: the trainer's; ``most_records``: in a batch; ``keep_s``: how long impressions are kept.
    """

    deployment: Deployment
    store: Store
    tables: Tables
    publisher: Publisher
    plans: PlanChoice
    metrics: Metrics
    patience_s: float = 0.0
    learning_rate: float = 0.02
    position_bias: bool = False
    most_records: int = 2_000
    keep_s: int = 86_460
    traffic: QueryTraffic = field(default_factory=QueryTraffic)


class Stage(ABC):
    """One stage of the pipeline: its topic, how large its batches are, and what becomes of them.

    Worker and replay walk the same stages. ``alone``: whether a replay hands its records over one by one, because each
    must see all that came before it. ``broadcasts``: the topics (fields of ``Topics``) that a worker must have
    read whole before the stage begins.
    """

    name: ClassVar[str]
    alone: ClassVar[bool] = False
    broadcasts: ClassVar[tuple[str, ...]] = ()
    topic: TopicSpec

    def __init__(self, at: Workplace) -> None:
        self.at = at

    def most(self) -> int:
        """How many records a batch may hold now."""
        return self.at.most_records

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]:
        """Where to start reading each partition, by its watermark; none where the committed offset decides."""
        return {}

    def forget(self, partition: int) -> None:  # noqa: B027 (most stages remember nothing)
        """Drop what is remembered of a partition that has gone, or whose watermark another worker has moved."""

    async def handle(self, partition: int, records: Sequence[Record]) -> None:
        """Handle a batch of one partition; a record that breaks it is left behind. Raises NotOwner."""

        async def refuse(record: Record, error: InvalidEvent) -> None:
            await self.refuse(partition, record, error)

        async def step(some: Sequence[Record]) -> None:
            await self.step(partition, some)

        await handle_each(records, step, refuse)

    @abstractmethod
    async def step(self, partition: int, records: Sequence[Record]) -> None:
        """Handle a batch, all of it or nothing. Raises NotOwner."""

    async def refuse(self, partition: int, record: Record, error: InvalidEvent) -> None:
        """A dead letter for a record whose handling failed."""
        await self.bury([dead_letter(record, error, self.topic.name, partition)])

    async def bury(self, dead: Sequence[DeadLetter]) -> None:
        """Publish dead letters, and count them."""
        self.at.metrics.dead(dead)
        await self.at.publisher.publish(letters(dead, self.at.deployment.topics.dead_letters.name))


class MarkedStage(Stage):
    """A stage whose effects are stored with a watermark: it starts where that stands, not where Kafka was committed."""

    async def starts(self, partitions: Sequence[int]) -> dict[int, int]:
        """Just after the watermarks."""
        stored = await self.at.store.read([keys.watermark(p, self.topic.name) for p in partitions])
        return {p: offset_of(mark) + 1 for p, mark in zip(partitions, stored, strict=True)}

    async def refuse(self, partition: int, record: Record, error: InvalidEvent) -> None:
        """A dead letter, and the watermark past it. Raises NotOwner."""
        await super().refuse(partition, record, error)
        await self.pass_by(partition, record.offset)

    @abstractmethod
    async def pass_by(self, partition: int, offset: int) -> None:
        """Move the watermark past a record without its effects. Raises NotOwner."""

    def guarded(self, transaction: Transaction, mark: bytes | None, partition: int) -> GuardedRead:
        """GuardedRead in a transaction that raise NotOwner unless the stored watermark is the one remembered."""

        async def read(wanted: list[bytes]) -> list[bytes | None]:
            stored, values = await transaction.read(wanted)
            if stored != mark:
                raise self.lost(partition)
            return values

        return read

    async def move(self, partition: int, mark: bytes | None, new: bytes) -> None:
        """Store a watermark alone. Raises NotOwner unless the stored one is ``mark``."""
        async with self.at.store.transaction(keys.watermark(partition, self.topic.name)) as transaction:
            await self.guarded(transaction, mark, partition)([])
            if not await transaction.write(new, []):
                raise self.lost(partition)

    def lost(self, partition: int) -> NotOwner:
        """Forget the partition; the error of a worker that finds a watermark which is not its own."""
        self.forget(partition)
        return NotOwner(f"{self.topic.name}[{partition}] was stored past this worker's watermark by another one")
