"""Replay: a log through the same handlers as a worker's, in event-time order, without Kafka.

Every record gets the partition and the offset that publishing the log to empty topics would give it, so the state
it leaves is a worker's, and the same log, artifacts and settings give the same answers, byte for byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from state.store import Store
from streamrank_client.errors import LogError
from streamrank_client.logs import Line, in_time_order
from streamrank_client.making import now
from streamrank_client.routing import IDENTIFY, head, route
from streams.artifacts.opening import Opened, open_models
from streams.artifacts.tables import Tables
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.policy.roles import role_stages
from streams.settings import Settings
from streams.stores import open_store
from streams.wire.messages import Batch, Message, Record
from streams.worker.metrics import Metrics
from streams.worker.stages.base import Workplace
from streams.worker.stages.registry import stages

#: called with the raw answer or dead letter, as a worker would publish it
Sink = Callable[[bytes], None]


class Loopback:
    """A publisher that keeps messages until the replay hands them to the next handler."""

    def __init__(self) -> None:
        self.pending: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep them in order."""
        self.pending += messages

    async def exists(self, topic: str) -> bool:
        """All topics are: answers to any of them are answers."""
        return True

    def take(self) -> list[Message]:
        """The messages since the last call."""
        pending, self.pending = self.pending, []
        return pending


class Replay:
    """Feeds log lines to the stages; ``on_answer`` and ``on_dead`` get what a worker would publish."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        tables: Tables,
        on_answer: Sink,
        on_dead: Sink,
        arrival: int | None = None,
        plans: PlanChoice | None = None,
    ) -> None:
        """``arrival``: Unix ms taken as the moment at which every line arrived, by default now: times more than a
        day ahead of it are broken. ``plans``: by default those of the settings.
        """
        deployment = Deployment.of(settings)
        self.tables = tables
        self._topics = deployment.topics
        self._most = settings.batch_records
        self._skew_ms = deployment.skew_ms
        self._loopback = Loopback()
        place = Workplace(
            deployment=deployment,
            store=store,
            tables=tables,
            publisher=self._loopback,
            plans=plans or PlanChoice.of(settings),
            metrics=Metrics(),
            learning_rate=settings.learning_rate,
            position_bias=settings.position_bias,
            most_records=settings.batch_records,
            keep_s=settings.keep_s,
        )
        self.stages = {stage.topic.name: stage for stage in stages(role_stages("all"), place)}
        self._tables_of = tables.broadcasts(self._topics)
        self._sinks = {self._topics.dead_letters.name: on_dead}
        self._on_answer = on_answer
        self._arrival = now() if arrival is None else arrival
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._run: list[tuple[int, Record]] = []
        self._fed = self.stages[self._topics.item_events.name]

    async def run(self, lines: Iterable[Line], progress: Callable[[int], None] | None = None) -> None:
        """Replay ``lines``, sorted by time first. ``progress`` is told how many lines are done."""
        for done, line in enumerate(in_time_order(lines, self._skew_ms), 1):
            await self.feed(line.raw)
            if progress and done % 1000 == 0:
                progress(done)
        await self.flush()

    async def feed(self, raw: bytes) -> None:
        """Take one line. Lines of a stage are handled together until one of another comes; queries one by one."""
        about = head(raw)
        spec, key, partition = route(about, self._topics)
        record = Record(key, raw, self._next_offset(spec.name, partition), self._arrival)
        stage = self.stages[spec.name]
        if stage is not self._fed or len(self._run) >= self._most:
            await self.flush()
        self._fed = stage
        self._run.append((partition, record))
        # what a login moves must be there before the next line, however many are handled together
        if stage.alone or (about is not None and about.event == IDENTIFY):
            await self.flush()

    async def flush(self) -> None:
        """Handle what was fed, and everything that follows from it."""
        run, self._run = self._run, []
        await self.handle(self._fed.topic.name, run)
        while messages := self._loopback.take():
            await self._deliver(messages)

    async def handle(self, topic: str, run: Sequence[tuple[int, Record]]) -> None:
        """Hand records, each with its partition, to the stage of their topic."""
        by_partition: dict[int, list[Record]] = {}
        for partition, record in run:
            by_partition.setdefault(partition, []).append(record)
        for partition, records in by_partition.items():
            batch = Batch(records, records[0].offset, records[-1].offset + 1)
            await self.stages[topic].handle(partition, batch)

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Messages to the next stage, into the tables, or out."""
        onward: dict[str, list[tuple[int, Record]]] = {}
        for message in messages:
            if message.topic in self.stages:
                partition = message.partition or 0
                offset = self._next_offset(message.topic, partition)
                record = Record(message.key, message.value, offset, self._arrival, message.headers)
                onward.setdefault(message.topic, []).append((partition, record))
            elif message.topic in self._tables_of:
                table = self._tables_of[message.topic]
                table.take([table.read(message.key, message.value)])
            else:
                self._sinks.get(message.topic, self._on_answer)(message.value or b"")
        for topic, run in onward.items():
            await self.handle(topic, run)

    def _next_offset(self, topic: str, partition: int) -> int:
        offset = self._offsets[topic, partition]
        self._offsets[topic, partition] += 1
        return offset


async def replay(
    lines: Iterable[Line],
    settings: Settings,
    redis: str,
    *,
    opened: Opened | None = None,
    on_answer: Sink = lambda _: None,
    on_dead: Sink = lambda _: None,
    progress: Callable[[int], None] | None = None,
    arrival: int | None = None,
) -> Replay:
    """Replay log lines into the empty Redis at ``redis``; ``opened``: artifacts that are open already.

    Raises LogError when Redis holds anything.
    """
    store = open_store(replace(settings, redis=redis))
    try:
        if not await store.empty():
            raise LogError("replay needs an empty Redis database: name another one, or flush it")
        plans = PlanChoice.of(settings)
        tables = Tables(open_models(settings, plans.experiment, opened))
        driver = Replay(settings, store, tables, on_answer, on_dead, arrival, plans)
        await driver.run(lines, progress)
        return driver
    finally:
        await store.close()
