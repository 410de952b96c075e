"""The composition root: settings in, a Faust worker with its stages, readers and web pages out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.types import TP, StreamT
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.store import Store
from streamrank_client.kafka_options import kafka_options
from streams.artifacts.opening import open_models
from streams.artifacts.swapping import Swapper
from streams.artifacts.tables import Tables
from streams.errors import NotOwner
from streams.kafka.broadcast import Apply, BroadcastReader, Pairs
from streams.kafka.publisher import KafkaPublisher
from streams.kafka.transport import BatchApp, BatchOptions, BatchProducer, RecordBatch, batch_topic
from streams.lookup.desk import Desk
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.policy.roles import role_stages
from streams.settings import Settings
from streams.worker.metrics import Metrics
from streams.worker.pages import WorkerView, add_pages
from streams.worker.retraining_schedule import Schedule
from streams.worker.stages.base import Stage, Workplace
from streams.worker.stages.registry import stages

log = structlog.get_logger(__name__)

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
        self,
        settings: Settings,
        role: str = "all",
        names: Sequence[str] | None = None,
        metrics: Metrics | None = None,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the artifacts; connects to nothing before it starts. Raises SettingsError and ArtifactError.

        ``names``: run only these stages of the role's, for measurements; ``metrics``: count in these; ``on_ready``:
        called once, when all tables are read.
        """
        self.settings = settings
        self.role = role
        self.names = role_stages(role) if names is None else tuple(names)
        self.metrics = metrics or Metrics()
        plans = PlanChoice.of(settings)
        searched = "query" in self.names
        self.tables = Tables(open_models(settings, plans.experiment, searched=searched), searched=searched)
        self._kafka: dict[str, Any] = dict(kafka_options(settings))
        bootstrap = self._kafka.pop("bootstrap_servers")
        self._producer = BatchProducer(bootstrap, max_request_bytes=4 << 20, **self._kafka)
        self.store = Store(settings.redis, settings.redis_timeout_s, settings.redis_ca)
        deployment = Deployment.of(settings)
        self.topics = deployment.topics
        self.retraining = Schedule(settings, self.metrics, "feedback" in self.names)
        place = Workplace(
            deployment=deployment,
            store=self.store,
            tables=self.tables,
            publisher=KafkaPublisher(self._producer),
            plans=plans,
            metrics=self.metrics,
            patience_s=settings.after_wait_ms / 1000,
            learning_rate=settings.learning_rate,
            position_bias=settings.position_bias,
            most_records=settings.batch_records,
            keep_s=settings.keep_s,
        )
        self.stages = stages(self.names, place, self.retraining.learnt)
        self._by_topic = {stage.topic.name: stage for stage in self.stages}
        self.readers = self._readers(bootstrap)
        self._on_ready = on_ready
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
        for stage in self.stages:
            self._add_agent(stage)
        view = WorkerView(
            role=role,
            ready=lambda: self.ready,
            tables_read=lambda: bool(self.readers) and all(reader.ready for reader in self.readers),
            items=lambda: len(self.tables.models.catalogue),
            metrics=self.metrics,
            desk=Desk(settings, self.store, self.tables, plans),
        )
        add_pages(self.app, view)

    # ---- agents

    def _add_agent(self, stage: Stage) -> None:
        async def run(batches: StreamT[Any]) -> None:
            async for batch in batches:
                with self.metrics.timed(stage.name):
                    await self._until_done(stage, batch)

        topic = batch_topic(self.app, stage.topic.name, max_batch=stage.most)
        self.app.agent(topic, name=f"streamrank.{stage.name}")(run)

    async def _until_done(self, stage: Stage, batch: RecordBatch) -> None:
        """Handle a batch; wait and try again while Redis or Kafka does not answer."""
        delay = 0.05
        while True:
            try:
                await stage.handle(batch.tp.partition, batch)
                return
            except NotOwner as error:
                log.info("partition read again from its watermark", reason=str(error))
                await self.app.rewind({batch.tp})
                return
            except RETRIABLE as error:
                # nothing is forgotten: if the watermark has moved, or is an older one, NotOwner tells
                self.metrics.retries.labels(stage.name).inc()
                log.warning(
                    "try again", stage=stage.name, partition=batch.tp.partition, seconds=delay, error=repr(error)
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                if self.app.should_stop:
                    raise

    # ---- partitions

    async def _start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        by_topic: dict[str, list[int]] = {}
        for tp in assigned:
            by_topic.setdefault(tp.topic, []).append(tp.partition)
        starts: dict[TP, int] = {}
        for name, partitions in by_topic.items():
            stage = self._by_topic[name]
            for partition in partitions:
                stage.forget(partition)
            offsets = await stage.starts(partitions)
            starts |= {TP(name, partition): offset for partition, offset in offsets.items()}
        return starts

    async def _revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._by_topic[tp.topic].forget(tp.partition)

    # ---- life

    def _readers(self, bootstrap: Sequence[str]) -> list[BroadcastReader]:
        """A reader for each topic that any of the stages must have read."""
        takers = self.tables.broadcasts(self.topics)
        needed = dict.fromkeys(name for stage in self.stages for name in stage.broadcasts)
        topics = [getattr(self.topics, name).name for name in needed]
        wait = self.settings.fetch_wait_ms
        return [
            BroadcastReader(topic, bootstrap, self._counted(takers[topic]), fetch_max_wait_ms=wait, **self._kafka)
            for topic in topics
        ]

    def _counted(self, take: Apply) -> Apply:
        """The same, with the sizes of the tables shown after it."""

        def counted(pairs: Pairs) -> None:
            take(pairs)
            self.metrics.sizes(self.tables.models)

        return counted

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
        self._on_ready()
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
        swapper = Swapper(self.settings, self.tables)
        while not self.app.should_stop:
            await self.app.sleep(self.settings.artifact_poll_s)
            for reader in self.readers:
                if reader.error is not None:
                    await self.app.crash(reader.error)
                    return
            if await swapper.swap():
                self._show_models()

    def _show_models(self) -> None:
        models = self.tables.models
        for kind, model in (("encoder", models.encoder), ("ranker", models.ranker)):
            self.metrics.provider.labels(kind, model.provider).set(1)
            self.metrics.fell_back.labels(kind).set(1 if model.warning else 0)
            if model.warning:
                log.warning("inference falls back", model=kind, warning=model.warning)
        self.metrics.artifact.clear()
        for kind, version in models.versions().items():
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
