"""Replay: a log through the same handlers as a worker's, in event-time order, without Kafka.

Every record gets the partition and the offset that publishing the log to empty topics would give it, so the state
it leaves is a worker's, and the same log, artifacts and settings give the same answers, byte for byte.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from state.store import Store
from streams.handlers.brain import Brain
from streams.worker.engine import Engine
from streamrank_client.errors import LogError
from streamrank_client.logs import Line, in_time_order
from streamrank_client.routing import head
from streams.wire.messages import Message, Record
from streamrank_client.making import now
from streamrank_client.routing import route
from streamrank_client.rules import rule_key
from streams.settings import Settings
from streamrank_client.topics import topics
from streams.kafka.transport import partition_for

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
    """Feeds log lines to an engine; ``on_answer`` and ``on_dead`` get what a worker would publish."""

    def __init__(
        self, settings: Settings, store: Store, brain: Brain, on_answer: Sink, on_dead: Sink, arrival: int | None = None
    ) -> None:
        """``arrival``: Unix ms taken as the moment at which every line arrived, by default now: times more than a
        day ahead of it are broken."""
        self.settings = settings
        self.brain = brain
        self._loopback = Loopback()
        self.engine = Engine(settings, store, brain, self._loopback)
        self._topics = topics(settings.partitions, settings.topic_prefix)
        self._on_answer, self._on_dead = on_answer, on_dead
        self._arrival = now() if arrival is None else arrival
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._run: list[tuple[int, Record]] = []
        self._topic = self._topics.item_events.name
        t = self._topics
        self._handlers: dict[str, Callable[[int, Sequence[Record]], Awaitable[None]]] = {
            t.item_events.name: self.engine.items,
            t.behavior_events.name: self.engine.behaviors,
            t.query_events.name: self._queries,
            t.signals.name: self.engine.signals,
            t.feedback.name: self.engine.feedback,
        }

    async def run(self, lines: Iterable[Line], progress: Callable[[int], None] | None = None) -> None:
        """Replay ``lines``, sorted by time first. ``progress`` is told how many lines are done."""
        for done, line in enumerate(in_time_order(lines), 1):
            await self.feed(line.raw)
            if progress and done % 1000 == 0:
                progress(done)
        await self.flush()

    async def feed(self, raw: bytes) -> None:
        """Take one line. Lines of a kind are handled together until one of another kind comes."""
        topic, partition, record = self._record(raw)
        if topic != self._topic or len(self._run) >= self.settings.batch_records:
            await self.flush()
        self._topic = topic
        self._run.append((partition, record))
        if topic == self._topics.query_events.name:
            await self.flush()

    async def flush(self) -> None:
        """Handle what was fed, and everything that follows from it."""
        run, self._run = self._run, []
        await self._handle(self._topic, run)
        while messages := self._loopback.take():
            await self._deliver(messages)

    def _record(self, raw: bytes) -> tuple[str, int, Record]:
        spec, key, partition = route(head(raw), self._topics)
        offset = self._next_offset(spec.name, partition)
        return spec.name, partition, (key, raw, offset, self._arrival, ())

    def _next_offset(self, topic: str, partition: int) -> int:
        offset = self._offsets[topic, partition]
        self._offsets[topic, partition] += 1
        return offset

    async def _handle(self, topic: str, run: Sequence[tuple[int, Record]]) -> None:
        by_partition: dict[int, list[Record]] = {}
        for partition, record in run:
            by_partition.setdefault(partition, []).append(record)
        for partition, records in by_partition.items():
            await self._handlers[topic](partition, records)

    async def _deliver(self, messages: Sequence[Message]) -> None:
        t = self._topics
        onward: dict[str, list[tuple[int, Record]]] = {}
        for message in messages:
            if message.topic in (t.signals.name, t.feedback.name):
                partition = message.partition or 0
                offset = self._next_offset(message.topic, partition)
                record = (message.key, message.value, offset, self._arrival, message.headers)
                onward.setdefault(message.topic, []).append((partition, record))
            elif message.topic == t.catalogue.name:
                self.brain.apply_catalogue([(message.key or b"", message.value)])
            elif message.topic == t.queries.name:
                self.brain.apply_queries([(message.key or b"", message.value)])
            elif message.topic == t.ranker_weights.name:
                self.brain.apply_weights([(message.key or b"", message.value)])
            elif message.topic == t.rules.name:
                self.brain.apply_rules([(message.key or b"", message.value)])
            elif message.topic == t.dead_letters.name:
                self._on_dead(message.value or b"")
            else:
                self._on_answer(message.value or b"")
        for topic, run in onward.items():
            await self._handle(topic, run)

    async def _queries(self, partition: int, records: Sequence[Record]) -> None:
        answering = self.engine.answering
        await answering.queries(partition, await answering.usable(partition, records))


async def replay(
    lines: Iterable[Line],
    settings: Settings,
    redis: str,
    *,
    brain: Brain | None = None,
    on_answer: Sink = lambda _: None,
    on_dead: Sink = lambda _: None,
    progress: Callable[[int], None] | None = None,
    arrival: int | None = None,
) -> Replay:
    """Replay log lines into the empty Redis at ``redis``. Raises LogError when it holds anything."""
    store = Store(redis, settings.redis_timeout_s, settings.redis_ca)
    try:
        if not await store.empty():
            raise LogError("replay needs an empty Redis database: name another one, or flush it")
        driver = Replay(settings, store, brain or Brain.load(settings), on_answer, on_dead, arrival)
        await driver.run(lines, progress)
        return driver
    finally:
        await store.close()
