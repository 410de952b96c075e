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
from typing import ClassVar, TypeVar

import msgspec
import structlog

from state import keys
from state.store import Store, Transaction
from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.topics import TopicSpec
from streamrank_client.vocabulary import HOUR_S
from streams.artifacts.tables import Tables
from streams.errors import NotOwner, Undecided
from streams.handlers.decoding import dead_letter, letters
from streams.handlers.rerouting import Home, sort_out
from streams.handlers.steps import ReadingSteps, run_steps
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.wire.messages import Batch, Publisher, Record
from streams.worker.metrics import Metrics
from streams.worker.poison import TOO_LARGE, at_fault, fails, fault, handle_each, recorded

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=msgspec.Struct)
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
    and ``position_bias``: the trainer's; ``most_records``: in a batch; ``keep_s``: how long impressions are kept;
    ``live``: a worker's, whose answers go on while Redis refuses writes; ``most_waiting``: queries that may wait;
    ``deadline_ms``: after which a query is not answered any more, 0 for never.
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
    live: bool = False
    most_waiting: int = 10_000
    deadline_ms: int = 0
    traffic: QueryTraffic = field(default_factory=QueryTraffic)


class Stage(ABC):
    """One stage of the pipeline: its topic, how large its batches are, and what becomes of them.

    Worker and replay walk the same stages. ``alone``: whether a replay hands its records over one by one, because each
    must see all that came before it; ``several``: whether a worker hands it batches before others are done.
    ``broadcasts``: the topics (fields of ``Topics``) that a worker must have read whole before the stage begins;
    ``plain``: a record of the topic in which nothing is odd.
    """

    name: ClassVar[str]
    alone: ClassVar[bool] = False
    several: ClassVar[bool] = False
    broadcasts: ClassVar[tuple[str, ...]] = ()
    plain: ClassVar[Record]
    topic: TopicSpec

    def __init__(self, at: Workplace) -> None:
        self.at = at
        #: when it is next told that records lie on wrong partitions
        self._tell_rerouted = float("-inf")

    def most(self) -> int:
        """How many records a batch may hold now."""
        return self.at.most_records

    def forget(self, partition: int) -> None:  # noqa: B027 (most stages remember nothing)
        """Drop what is remembered of a partition that has gone, or whose watermark is not the one remembered."""

    def release(self, partition: int) -> None:  # noqa: B027 (most stages have nothing waiting)
        """Begin nothing more of a partition that is about to go."""

    async def handle(self, partition: int, batch: Batch) -> None:
        """Handle a batch of one partition; a record that breaks it is left behind, a value that does kept aside.

        Raises NotOwner, Undecided when neither is at fault, and what Redis and Kafka raise.
        """

        async def step(some: Batch) -> None:
            await self.step(partition, some)

        async def settle(one: Batch, error: Exception) -> None:
            if await self.at_fault(partition, one[0], error):
                await self.refuse(partition, one, fault(error))
            else:
                # other values may be at fault, too: those that are read after the first that was
                await handle_each(one, step, Batch.halves, settle)

        await handle_each(batch, step, Batch.halves, settle)

    @abstractmethod
    async def step(self, partition: int, batch: Batch) -> None:
        """Handle a batch, all of it or nothing. Raises NotOwner."""

    async def pass_empty(self, partition: int, batch: Batch) -> None:  # noqa: B027 (the commit is all there is to do)
        """Take note of offsets between which there is no record. Raises NotOwner."""

    async def every_second(self) -> None:  # noqa: B027 (most stages have nothing to do between batches)
        """What is to be done now and then, between batches."""

    @abstractmethod
    def rehearse(self, partition: int, record: Record) -> ReadingSteps[object]:
        """The handling of one record, with its reads and without its effects, by one that remembers nothing."""

    async def refuse(self, partition: int, one: Batch, error: InvalidEvent) -> None:
        """A dead letter for the record of a batch whose handling failed."""
        await self.bury([dead_letter(one[0], error, self.topic.name, partition)])

    async def bury(self, dead: Sequence[DeadLetter]) -> None:
        """Publish dead letters, and count them."""
        self.at.metrics.dead(dead)
        await self.at.publisher.publish(letters(dead, self.at.deployment.topics.dead_letters.name))

    async def sort_out(
        self, partition: int, batch: Batch, decode: Callable[[bytes], T], key_of: Callable[[T], str]
    ) -> Batch:
        """The records of a batch that belong to its partition; the others are published where they belong."""
        result = sort_out(batch, Home(self.topic, partition, self.at.deployment.reroute), decode, key_of)
        if result.dead:
            await self.bury(result.dead)
        if result.rerouted:
            await self.at.publisher.publish(result.rerouted)
            self.at.metrics.rerouted.labels(self.topic.name).inc(len(result.rerouted))
            if monotonic() >= self._tell_rerouted:
                self._tell_rerouted = monotonic() + HOUR_S
                log.warning(
                    "records lie on other partitions than their keys', and are published again where they belong: "
                    "let the producer choose partitions by murmur2 (docs/connect.md)",
                    topic=self.topic.name,
                    partition=partition,
                    key=str(result.rerouted[0].key),
                )
        return result.staying

    async def at_fault(self, partition: int, record: Record, error: Exception) -> bool:
        """Whether a record that failed alone is at fault itself; else the stored values that are have been kept aside.

        Raises Undecided when neither is.
        """
        if isinstance(error, (InvalidEvent, *TOO_LARGE)):
            return True

        def rehearsal() -> ReadingSteps[object]:
            return self.rehearse(partition, record)

        if fails(rehearsal, {}):
            if fails(lambda: self.rehearse(partition, self.plain), {}):
                raise self._undecided(partition, record, error)
            log.error("a record that cannot be handled becomes a dead letter", stage=self.name, exc_info=error)
            return True
        stored: dict[bytes, bytes | None] = {}
        await run_steps(recorded(rehearsal, stored), self.at.store.read)
        culprits = at_fault(rehearsal, stored) if fails(rehearsal, stored) else []
        if not culprits:
            raise self._undecided(partition, record, error)
        for key in culprits:
            await self.at.store.spoil(key, stored[key], f"{type(error).__name__}: {error}"[:200])
        return False

    def _undecided(self, partition: int, record: Record, error: Exception) -> Undecided:
        log.error("a batch cannot be handled", stage=self.name, partition=partition, exc_info=error)
        return Undecided(
            f"{self.topic.name}[{partition}] at offset {record.offset}: {type(error).__name__}: {str(error)[:300]}: "
            "neither the record nor a stored value is at fault; report it, or serve with another version"
        )


class MarkedStage(Stage):
    """A stage whose effects are stored with a watermark: a batch is stored only if it begins where that stands.

    ``feeds``: the topics (fields of ``Topics``) whose watermarks hold how far each partition of this one's has led.
    """

    feeds: ClassVar[tuple[str, ...]] = ()

    async def refuse(self, partition: int, one: Batch, error: InvalidEvent) -> None:
        """A dead letter, and the watermark past it. Raises NotOwner."""
        await super().refuse(partition, one, error)
        await self.pass_by(partition, one.position, one.next_offset)

    async def pass_empty(self, partition: int, batch: Batch) -> None:
        """The watermark past them: else they would be a gap once Kafka has dropped them. Raises NotOwner."""
        await self.pass_by(partition, batch.position, batch.next_offset)

    @abstractmethod
    async def pass_by(self, partition: int, position: int | None, next_offset: int) -> None:
        """Move the watermark to ``next_offset`` without the effects of what lies before it. Raises NotOwner.

        ``position``: where it must stand; None: anywhere.
        """

    def follows(self, partition: int, position: int | None, stands: int | None) -> None:
        """Raise NotOwner unless a batch was fetched from where the watermark stands, if it stands anywhere."""
        if position is not None and stands is not None and position != stands:
            self.forget(partition)
            raise NotOwner(f"{self.topic.name}[{partition}] was read from {position}, its watermark stands at {stands}")

    def guarded(self, transaction: Transaction, mark: bytes | None, partition: int) -> GuardedRead:
        """Reads in a transaction that raise NotOwner unless the stored watermark is the one remembered."""

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
        """Forget the partition; the error of a worker that finds a watermark which is not the one it left."""
        self.forget(partition)
        return NotOwner(f"the watermark of {self.topic.name}[{partition}] is not the one that this worker left")
