"""The composition root: settings in, a Faust worker with its agents, readers and web pages out."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.types import TP, StreamT
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.store import Store
from streams.artifacts.opening import Swapper
from streams.handlers.brain import Brain
from streams.kafka.broadcast import BroadcastReader
from streams.worker.engine import Engine
from streams.errors import NotOwner
from streamrank_client.errors import SettingsError
from streamrank_client.fields import Place
from streamrank_client.kafka_options import kafka_options
from streams.wire.messages import Record
from streams.worker.metrics import Metrics
from streams.kafka.publisher import KafkaPublisher
from streams.worker.retraining_schedule import Schedule
from streams.settings import Settings
from streamrank_client.topics import TopicSpec, topics
from streams.kafka.transport import BatchApp, BatchOptions, BatchProducer, RecordBatch, batch_topic
from streams.worker.pages import add_pages

log = structlog.get_logger(__name__)

#: the stages that a role runs, each an agent on a topic of its own
ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ("items", "behavior", "signals", "query", "feedback"),
    "ingest": ("items", "behavior", "signals"),
    "query": ("query",),
    "trainer": ("feedback",),
}
#: most queries answered together
QUERY_BATCH: Final = 32
#: Work between two turns of the event loop, about 10 ms each: items (0.6 ms to encode one), feedback, behaviour
#: events while queries come in, and signals records (one holds the deltas of a behaviour batch); of these up to 50 ms
ITEM_SLICE: Final = 16
FEEDBACK_SLICE: Final = 100
BUSY_SLICE: Final = 400
#: while no query has come for seconds: each row is read, sorted and stored once for all of them
SIGNALS_BATCH: Final = 32
#: a query waits for its ``after`` event only if it is at most so many events away
REACHABLE: Final = 2_000
Handle = Callable[[int, Sequence[Record]], Awaitable[None]]
RETRIABLE: Final = (RedisConnectionError, RedisTimeoutError, KafkaError, OSError)


class _App(BatchApp):
    """The Faust app of a worker, which it starts with and stops with."""

    worker: Worker

    async def on_start(self) -> None:
        """Before any agent gets a batch."""
        await self.worker.start()
        await super().on_start()

    async def on_shutdown(self) -> None:
        """After the agents have drained."""
        await super().on_shutdown()
        await self.worker.stop()


class Worker:
    """Serves one role: ``ingest`` (items, behaviour, signals), ``query``, ``trainer`` or all.

    ``app`` is its Faust app.
    """

    def __init__(
        self, settings: Settings, role: str = "all", stages: Sequence[str] | None = None, brain: Brain | None = None
    ) -> None:
        """Opens the artifacts; connects to nothing before it starts. Raises SettingsError and ArtifactError.

        ``stages``: run only these of the role's, for measurements.
        """
        if role not in ROLES:
            raise SettingsError(f"role {role!r}: expected one of {', '.join(ROLES)}")
        self.settings = settings
        self.role = role
        self.stages = ROLES[role] if stages is None else tuple(stages)
        self.metrics = Metrics()
        self.brain = brain or Brain.load(settings, answers="query" in self.stages)
        self._kafka: dict[str, Any] = dict(kafka_options(settings))
        bootstrap = self._kafka.pop("bootstrap_servers")
        self._producer = BatchProducer(bootstrap, max_request_bytes=4 << 20, **self._kafka)
        self.store = Store(settings.redis, settings.redis_timeout_s, settings.redis_ca)
        self.engine = Engine(settings, self.store, self.brain, KafkaPublisher(self._producer), self.metrics)
        self.topics = topics(settings.partitions, settings.topic_prefix)
        self.retraining = Schedule(settings, self.metrics, "feedback" in self.stages)
        self.readers = self._readers(bootstrap)
        self._last_query = float("-inf")
        self.app = _App(
            settings.group if role == "all" else f"{settings.group}-{role}",
            bootstrap=bootstrap,
            kafka=self._kafka,
            options=BatchOptions(
                fetch_max_wait_ms=settings.fetch_wait_ms,
                session_timeout=settings.session_timeout_s,
                heartbeat_interval=min(2.0, settings.session_timeout_s / 4),
                start_offsets=self._start_offsets,
                on_revoked=self._revoked,
            ),
            **_faust_settings(settings),
        )
        self.app.worker = self
        self._add_agents()
        add_pages(self)

    # ---- agents

    def _add_agents(self) -> None:
        t = self.topics
        agents: dict[str, tuple[TopicSpec, Handle, Callable[[], int]]] = {
            "items": (t.item_events, self.engine.items, lambda: ITEM_SLICE),
            "behavior": (t.behavior_events, self.engine.behaviors, self._slice),
            "signals": (t.signals, self.engine.signals, lambda: 2 if self._busy() else SIGNALS_BATCH),
            "query": (t.query_events, self._answer, lambda: QUERY_BATCH),
            "feedback": (t.feedback, self.retraining.after(self.engine.feedback), lambda: FEEDBACK_SLICE),
        }
        for stage in self.stages:
            topic, handle, size = agents[stage]
            self._agent(topic, stage, handle, size)

    def _slice(self) -> int:
        """How many behaviour events a batch may hold: few while queries come in, so that none is held up."""
        return min(BUSY_SLICE, self.settings.batch_records) if self._busy() else self.settings.batch_records

    def _agent(self, topic: TopicSpec, stage: str, handle: Handle, size: Callable[[], int]) -> None:
        async def run(batches: StreamT[Any]) -> None:
            async for batch in batches:
                with self.metrics.timed(stage):
                    await self._until_done(stage, handle, batch)

        self.app.agent(batch_topic(self.app, topic.name, max_batch=size), name=f"streamrank.{stage}")(run)

    async def _until_done(self, stage: str, handle: Handle, batch: RecordBatch) -> None:
        """Handle a batch; wait and try again while Redis or Kafka does not answer."""
        delay = 0.05
        while True:
            try:
                await handle(batch.tp.partition, batch)
                return
            except NotOwner as error:
                log.info("partition read again from its watermark", reason=str(error))
                await self.app.rewind({batch.tp})
                return
            except RETRIABLE as error:
                # nothing is forgotten: if the watermark has moved, or is an older one, NotOwner tells
                self.metrics.retries.labels(stage).inc()
                log.warning("try again", stage=stage, partition=batch.tp.partition, seconds=delay, error=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                if self.app.should_stop:
                    raise

    def _busy(self) -> bool:
        """Whether queries have come in lately: then ingest works in small slices."""
        return monotonic() - self._last_query < 5.0

    async def _answer(self, partition: int, batch: Sequence[Record]) -> None:
        """Answer a batch of queries, each once its ``after`` event is stored or its patience is over."""
        self._last_query = monotonic()
        answering = self.engine.answering
        asked = await answering.usable(partition, batch)
        deadline = self._last_query + self.settings.after_wait_ms / 1000
        while asked:
            waiting = []
            if any(a.query.after is not None for a in asked):
                seen = await answering.seen(partition)
                behind = [a for a in asked if self._is_behind(a.query.after, partition, seen)]
                if monotonic() < deadline:
                    waiting = [a for a in behind if a.query.after and a.query.after.offset <= seen + REACHABLE]
                self.metrics.stale.inc(len(behind) - len(waiting))
            later = set(map(id, waiting))
            await answering.queries(partition, [a for a in asked if id(a) not in later])
            asked = waiting
            if asked:
                await asyncio.sleep(0.001)

    @staticmethod
    def _is_behind(after: Place | None, partition: int, seen: int) -> bool:
        return after is not None and after.partition == partition and after.offset > seen

    # ---- partitions

    async def _start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        by_topic: dict[str, list[int]] = {}
        for tp in assigned:
            by_topic.setdefault(tp.topic, []).append(tp.partition)
        starts: dict[TP, int] = {}
        for topic, partitions in by_topic.items():
            for partition in partitions:
                self.engine.forget(topic, partition)
            found = await self.engine.starts(topic, partitions)
            starts |= {TP(topic, p): offset for p, offset in found.items()}
        return starts

    async def _revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self.engine.forget(tp.topic, tp.partition)

    # ---- life

    def _readers(self, bootstrap: Sequence[str]) -> list[BroadcastReader]:
        t, read = self.topics, []
        if {"items", "behavior", "query"} & set(self.stages):
            read.append((t.catalogue, self._apply_catalogue))
        if "query" in self.stages:
            read += [
                (t.ranker_weights, self._apply_weights),
                (t.rules, self.brain.apply_rules),
                (t.queries, self._apply_queries),
            ]
        wait = self.settings.fetch_wait_ms
        return [BroadcastReader(s.name, bootstrap, apply, fetch_max_wait_ms=wait, **self._kafka) for s, apply in read]

    def _apply_catalogue(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.brain.apply_catalogue(pairs)
        self.metrics.items.set(len(self.brain.catalogue))

    def _apply_queries(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.brain.apply_queries(pairs)
        self.metrics.queries.set(len(self.brain.lore.table))

    def _apply_weights(self, pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.brain.apply_weights(pairs)
        for surface, weights in self.brain.weights.items():
            self.metrics.weights.labels(surface).set(weights.version)

    @property
    def ready(self) -> bool:
        """Whether this worker has its tables and its partitions."""
        return all(r.ready for r in self.readers) and self.app.rebalancing_count > 0 and not self.app.rebalancing

    async def start(self) -> None:
        """Connect, and read the broadcast topics whole."""
        await self.store.ping()
        await self._producer.start()
        for reader in self.readers:
            await reader.start()
        self._show_models()
        # what is loaded by now stays: the collector need not look at it again, which takes it up to 50 ms
        gc.collect()
        gc.freeze()
        self.app.add_future(self._watch())

    async def stop(self) -> None:
        """End what was started, and disconnect."""
        await self.retraining.stop()
        for reader in self.readers:
            await reader.stop()
        await self._producer.stop()
        await self.store.close()

    async def _watch(self) -> None:
        """Look for newer artifacts; end the worker when a broadcast topic can no longer be read."""
        swapper = Swapper(self.settings, self.brain)
        while not self.app.should_stop:
            await self.app.sleep(self.settings.artifact_poll_s)
            for reader in self.readers:
                if reader.error is not None:
                    await self.app.crash(reader.error)
                    return
            if await swapper.swap():
                self._show_models()

    def _show_models(self) -> None:
        for kind in ("encoder", "ranker"):
            model = getattr(self.brain, kind)
            self.metrics.provider.labels(kind, model.provider).set(1)
            self.metrics.fell_back.labels(kind).set(1 if model.warning else 0)
            if model.warning:
                log.warning("inference falls back", model=kind, warning=model.warning)
        self.metrics.artifact.clear()
        for kind, version in self.brain.versions().items():
            self.metrics.artifact.labels(kind, version).set(1)


def _faust_settings(settings: Settings) -> dict[str, Any]:
    """What Faust itself is told."""
    return {
        "web_host": settings.web_host,
        "web_port": settings.web_port or 6066,
        "web_bind": settings.web_host,
        "autodiscover": False,
        "store": "memory://",
    }
