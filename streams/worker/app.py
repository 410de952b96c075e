"""The composition root: settings in, a Faust worker with its stages, readers and web pages out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from faust.types import TP, StreamT

from state.layouts import kind_of
from streamrank_client.errors import StreamrankError
from streamrank_client.kafka_options import kafka_options
from streamrank_client.topics import MOST_KEPT
from streams.artifacts.opening import open_models
from streams.artifacts.swapping import Swapper
from streams.artifacts.tables import Tables
from streams.kafka.admin import check_topics
from streams.kafka.broadcast import BroadcastReader, Skipped, Take, say_skipped
from streams.kafka.publisher import KafkaPublisher
from streams.kafka.transport import BatchApp, BatchOptions, BatchProducer, RecordBatch, batch_topic
from streams.lookup.desk import Desk
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.policy.roles import group_of, role_stages
from streams.settings import Settings
from streams.stores import open_store
from streams.web.web_port import WebPort
from streams.worker.handover import Handover
from streams.worker.health import Health
from streams.worker.joining import Entrance, Step
from streams.worker.metrics import Metrics
from streams.worker.pages import WorkerView, closed_to_operators, pages
from streams.worker.reencoding import Reencoding
from streams.worker.retraining_schedule import Schedule
from streams.worker.retrying import RETRIABLE, Retrying
from streams.worker.series import begin
from streams.worker.setting_aside import Keeper
from streams.worker.stages.base import Stage, Workplace
from streams.worker.stages.items import ItemStage
from streams.worker.stages.registry import stages
from streams.worker.starting import Starts

log = structlog.get_logger(__name__)


class _App(BatchApp):
    """The Faust app of a worker, which it starts with and stops with."""

    worker: Worker

    async def prepare(self) -> None:
        """Before it joins its group."""
        await self.worker.start()

    async def stop(self) -> None:
        """Drain and end, once a successor that was announced is about to join."""
        await self.worker.handover.give_way()
        await super().stop()

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
        on_refused: Callable[[StreamrankError], None] | None = None,
    ) -> None:
        """Opens the artifacts; connects to nothing before it starts. Raises SettingsError and ArtifactError.

        ``names``: run only these stages of the role's, for measurements; ``metrics``: count in these; ``on_ready``:
        called once, when all tables are read; ``on_refused``: told instead of an exception why it cannot serve.
        """
        self.settings = settings
        self.role = role
        self.names = role_stages(role) if names is None else tuple(names)
        self.metrics = metrics or Metrics()
        plans = PlanChoice.of(settings)
        searched = "query" in self.names
        models = open_models(settings, plans.experiment, searched=searched)
        self.tables = Tables(models, searched=searched, encodes="items" in self.names)
        self._kafka: dict[str, Any] = dict(kafka_options(settings))
        bootstrap = self._kafka.pop("bootstrap_servers")
        self._producer = BatchProducer(bootstrap, max_request_bytes=MOST_KEPT, **self._kafka)
        self.store = open_store(settings, self._tell_bad_value)
        place = self._workplace(plans)
        self.topics = place.deployment.topics
        self._damaged = Keeper(place.publisher, self.topics.damaged_batches.name, self.metrics)
        self.retraining = Schedule(settings, self.metrics, "feedback" in self.names)
        self.stages = stages(self.names, place, self.retraining.learnt)
        self._by_topic = {stage.topic.name: stage for stage in self.stages}
        self.readers = self._readers(bootstrap)
        begin(self.metrics, self.stages, [reader.topic for reader in self.readers], plans)
        self._on_ready = on_ready
        self._kept: set[asyncio.Task[None]] = set()
        self._starts = Starts(self._by_topic, place, settings.on_gap == "continue")
        self.app = self._faust_app(bootstrap)
        self.handover = Handover(self.app, self.store)
        publishing = next((stage.publishing for stage in self.stages if isinstance(stage, ItemStage)), asyncio.Lock())
        self._reencoding = Reencoding(place, self._item_partitions, publishing)
        self._entrance = Entrance(self.app, settings, role, on_refused)
        self.health = Health(self.app, self.store, self.readers, self.stages, self.metrics, kafka_options(settings))
        self._retrying = Retrying(self.app, self.metrics, self.health.done)
        for stage in self.stages:
            self._add_agent(stage)
        view = WorkerView(
            role=role,
            reasons=self.health.reasons,
            tables_read=lambda: bool(self.readers) and all(reader.ready for reader in self.readers),
            items=lambda: len(self.tables.models.catalogue),
            metrics=self.metrics,
            desk=Desk(settings, self.store, self.tables, plans),
        )
        self._web = WebPort(pages(view), settings.web_host, settings.web_port)

    def _workplace(self, plans: PlanChoice) -> Workplace:
        settings = self.settings
        return Workplace(
            deployment=Deployment.of(settings),
            store=self.store,
            tables=self.tables,
            publisher=KafkaPublisher(self._producer, settings.first_of_topics if settings.shop else ""),
            plans=plans,
            metrics=self.metrics,
            patience_s=settings.after_wait_ms / 1000,
            learning_rate=settings.learning_rate,
            position_bias=settings.position_bias,
            most_records=settings.batch_records,
            keep_s=settings.keep_s,
            live=True,
            most_waiting=settings.most_waiting,
            deadline_ms=settings.answer_deadline_ms,
        )

    def _faust_app(self, bootstrap: Sequence[str]) -> _App:
        settings = self.settings
        app = _App(
            group_of(settings.in_shop(settings.group), self.role),
            bootstrap=bootstrap,
            kafka=self._kafka,
            options=BatchOptions(
                fetch_max_wait_ms=settings.fetch_wait_ms,
                session_timeout=settings.session_timeout_s,
                # a rebalance begins for a worker with its next heartbeat, and lasts until the last one has come
                heartbeat_interval=min(0.25, settings.session_timeout_s / 4),
                start_offsets=self._starts.choose,
                retriable=RETRIABLE,
                set_aside=self._damaged.keep,
                on_revoking=self._revoking,
                on_revoked=self._revoked,
            ),
            web_enabled=False,  # its own pages tell what is nobody's business: streams.web.web_port
            autodiscover=False,
            store="memory://",
        )
        app.worker = self
        return app

    def _tell_bad_value(self, key: bytes, reason: str) -> None:
        """A stored value could not be read, and was kept aside."""
        self.metrics.bad_values.labels(kind_of(key).decode()).inc()
        log.error(
            "a stored value could not be read: it is kept under bad: and counts as absent",
            key=key.decode(errors="replace"),
            reason=reason,
        )

    # ---- agents

    def _add_agent(self, stage: Stage) -> None:
        async def run(batches: StreamT[Any]) -> None:
            async for batch in batches:
                if stage.several:
                    batch.keep()
                    self._keep(self._until_done(stage, batch))
                else:
                    await self._until_done(stage, batch)

        topic = batch_topic(self.app, stage.topic.name, max_batch=stage.most)
        self.app.agent(topic, name=f"streamrank.{stage.name}")(run)

    async def _until_done(self, stage: Stage, batch: RecordBatch) -> None:
        with self.metrics.timed(stage.name):
            done = await self._retrying.until_done(stage, batch)
        if batch.kept:
            batch.done() if done else batch.give_up()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Work in the background, and not be collected as garbage meanwhile."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def _revoking(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._by_topic[tp.topic].release(tp.partition)

    async def _revoked(self, revoked: set[TP]) -> None:
        for tp in revoked:
            self._by_topic[tp.topic].forget(tp.partition)

    # ---- life

    def _readers(self, bootstrap: Sequence[str]) -> list[BroadcastReader]:
        """A reader for each topic that any of the stages must have read."""
        tables = self.tables.broadcasts(self.topics)
        needed = dict.fromkeys(name for stage in self.stages for name in stage.broadcasts)
        topics = [getattr(self.topics, name).name for name in needed]
        wait = self.settings.fetch_wait_ms
        return [
            BroadcastReader(
                topic,
                bootstrap,
                self._counted(tables[topic].take),
                read=tables[topic].read,
                skip=self._tell_skipped,
                fetch_max_wait_ms=wait,
                **self._kafka,
            )
            for topic in topics
        ]

    def _counted(self, take: Take) -> Take:
        """The same, with the sizes of the tables shown after it."""

        def counted(found: Sequence[Any]) -> None:
            take(found)
            self.metrics.sizes(self.tables.models)

        return counted

    def _tell_skipped(self, record: Skipped) -> None:
        self.metrics.bad_records.labels(record.topic).inc()
        say_skipped(record)

    @property
    def ready(self) -> bool:
        """Whether this worker can do all its work."""
        return not self.health.reasons()

    async def start(self) -> None:
        """Connect, read the broadcast topics whole, and see that no other role does the same work; waits for servers
        that are away.
        """
        await self._entrance.do(("its web port", self._web.start))
        closed = closed_to_operators(self.settings)
        if closed is not None:
            log.warning(closed)
        self.health.start()
        self.handover.announce()
        steps: list[Step] = [("Redis", self.store.ping), ("Kafka", self._producer.start)]
        steps.append(("Kafka, to see its topics,", partial(check_topics, self.settings)))
        steps += [(f"Kafka, to read {reader.topic},", reader.start) for reader in self.readers]
        await self._entrance.do(*steps)
        self._show_models()
        self._reencoding.say()
        self._on_ready()
        await self.handover.joins()
        await self._entrance.do(("Kafka, to see who else serves,", self._entrance.see_alone))
        self.app.add_future(self._tell_ready())
        self.app.add_future(self._watch())
        self.app.add_future(self._every_second())
        self.app.add_future(self._encode_again())

    async def stop(self) -> None:
        """End what was started, and disconnect."""
        self.handover.stop()
        await self.health.stop()
        await self.retraining.stop()
        await asyncio.gather(*(reader.stop() for reader in self.readers), self._producer.stop())
        await self.store.close()
        await self._web.stop()
        log.info("worker stopped", role=self.role)

    async def _tell_ready(self) -> None:
        """A line in the log when all its work can be done for the first time."""
        while not (self.ready or self.app.should_stop):
            await self.app.sleep(0.05)
        if self.ready:
            log.info("worker ready", role=self.role, items=len(self.tables.models.catalogue))

    async def _watch(self) -> None:
        """Look for newer artifacts; end the worker when a broadcast topic can no longer be read."""
        swapper = Swapper(self.settings, self.tables)
        while not self.app.should_stop:
            await self.app.sleep(self.settings.artifact_poll_s)
            await self._entrance.look_again()
            for reader in self.readers:
                if reader.error is not None:
                    await self.app.crash(reader.error)
                    return
            if await swapper.swap():
                self._show_models()

    async def _encode_again(self) -> None:
        """Encode what another encoder encoded; what fails is tried again."""
        while not self.app.should_stop:
            with suppress(*RETRIABLE):
                await self._reencoding.round()
            await self.app.sleep(1.0)

    def _item_partitions(self) -> set[int]:
        """Those of item-events that are this worker's now."""
        return {tp.partition for tp in self.app.lags() if isinstance(self._by_topic.get(tp.topic), ItemStage)}

    async def _every_second(self) -> None:
        """What stages do between batches."""
        while not self.app.should_stop:
            await self.app.sleep(1.0)
            self.metrics.tasks.set(len(asyncio.all_tasks()))
            for stage in self.stages:
                await stage.every_second()

    def _show_models(self) -> None:
        models = self.tables.models
        for kind, model in (("encoder", models.encoder), ("ranker", models.ranker)):
            if model.warning:
                log.warning("inference falls back", model=kind, warning=model.warning)
        self.metrics.artifacts(models)
