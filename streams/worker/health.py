"""Whether a worker can do its role's work, and why not: servers that are away, stages that get nothing done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from faust.types import TP
from redis.exceptions import RedisError

from state import keys
from state.store import Store
from streams.kafka.broadcast import BroadcastReader
from streams.kafka.transport import BatchApp
from streams.worker.metrics import Metrics
from streams.worker.retrying import TOLD_EVERY_S
from streams.worker.stages.base import Stage

log = structlog.get_logger(__name__)

#: between two looks at the servers, and how long each may take to answer, in seconds
EVERY_S: Final = 1.0
ANSWERS_WITHIN_S: Final = 2.0
#: a stage for which records wait, and that gets nothing done for so long, is stuck
STUCK_S: Final = 30.0
#: how often word is left of partitions that are stopped
STOPPED_EVERY_S: Final = 10.0


class WatchedServer:
    """One server that is asked now and then whether it is there; ``away``: why it is not, else empty."""

    def __init__(self, name: str, metrics: Metrics) -> None:
        self.name = name
        self.away = ""
        self._told = float("-inf")
        self._metrics = metrics
        metrics.away.labels(name).set(0)

    def answered(self) -> None:
        """It is there."""
        if self.away:
            log.warning(f"{self.name} answers again")
        self._tell("")

    def failed(self, error: BaseException) -> None:
        """It is not."""
        reason = str(error) or type(error).__name__
        if not self.away or monotonic() - self._told >= TOLD_EVERY_S:
            self._told = monotonic()
            log.error(f"{self.name} does not answer", error=reason)
        self._tell(reason)

    def _tell(self, away: str) -> None:
        self.away = away
        self._metrics.away.labels(self.name).set(bool(away))


class Progress:
    """How far one stage is: how many records wait for it, and since when it has got nothing done."""

    def __init__(self) -> None:
        self.lag = 0
        self.told = False
        self._moved = monotonic()

    def moved(self) -> None:
        """A batch is done."""
        self._moved = monotonic()

    def seen(self, lag: int) -> None:
        """The lag now."""
        self.lag = lag
        if not lag:
            self.moved()

    @property
    def stuck_s(self) -> float:
        """For how long nothing was done though records wait; 0 where it is not long yet."""
        idle = monotonic() - self._moved
        return idle if idle >= STUCK_S else 0.0


class Health:
    """Looks at what a worker needs, and says why it is not ready."""

    def __init__(
        self,
        app: BatchApp,
        store: Store,
        readers: Sequence[BroadcastReader],
        stages: Sequence[Stage],
        metrics: Metrics,
        kafka: Mapping[str, Any],
    ) -> None:
        """``kafka``: options of a client of aiokafka, ``bootstrap_servers`` among them."""
        self._app = app
        self._store = store
        self._readers = readers
        self._metrics = metrics
        self._options = {**kafka, "request_timeout_ms": int(ANSWERS_WITHIN_S * 1000)}
        self._client: Any = None
        self.redis, self.kafka = WatchedServer("Redis", metrics), WatchedServer("Kafka", metrics)
        self._topics = {stage.topic.name: stage.name for stage in stages}
        self._progress = {stage.name: Progress() for stage in stages}
        #: the partitions of which word was left last, and when
        self._told_stopped: tuple[Mapping[TP, str], float] = {}, float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    def done(self, stage: str) -> None:
        """A stage has handled a batch."""
        self._progress[stage].moved()

    def reasons(self) -> list[str]:
        """Why this worker cannot do all its work; none: it can."""
        found = [f"{server.name} does not answer: {server.away}" for server in (self.kafka, self.redis) if server.away]
        found += [f"{reader.topic} is not read whole yet" for reader in self._readers if not reader.ready]
        if not self._app.joined:
            found.append("its partitions are being assigned")
        elif self._app.waiting:
            found.append(f"its partitions wait to be read: {self._app.waiting}")
        found += [f"{tp.topic}[{tp.partition}] is not read: {why}" for tp, why in sorted(self._app.stopped.items())]
        found += [
            f"stage {name} got nothing done for {own.stuck_s:.0f} s, and {own.lag} records wait"
            for name, own in self._progress.items()
            if own.stuck_s
        ]
        return found

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [
            asyncio.create_task(self._again_and_again(look, EVERY_S), name=f"health {look.__name__}")
            for look in (self._look_at_redis, self._look_at_kafka, self._look_at_stages)
        ]

    async def stop(self) -> None:
        """End looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    async def _again_and_again(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        told = ""
        while True:
            try:
                await look()
            except Exception as error:
                # this program's fault, and no reason to look no more
                if repr(error) != told:
                    log.exception("a look at the worker's health failed")
                told = repr(error)
            await asyncio.sleep(seconds)

    async def _look_at_redis(self) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await self._store.ping()
        except (RedisError, OSError, TimeoutError) as error:
            self.redis.failed(error)
        else:
            self.redis.answered()

    async def _look_at_kafka(self) -> None:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                if self._client is None:
                    self._client = AIOKafkaClient(**self._options)
                    await self._client.bootstrap()
                await self._client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError) as error:
            self.kafka.failed(error)
            await self._disconnect()
        else:
            self.kafka.answered()

    async def _look_at_stages(self) -> None:
        lags: dict[str, int] = dict.fromkeys(self._progress, 0)
        for tp, lag in self._app.lags().items():
            if tp.topic in self._topics:
                lags[self._topics[tp.topic]] += lag
        for name, lag in lags.items():
            own = self._progress[name]
            own.seen(lag)
            self._metrics.lag.labels(name).set(lag)
            self._tell_stuck(name, own)
        stopped: dict[str, int] = dict.fromkeys(self._topics, 0)
        for tp in self._app.stopped:
            stopped[tp.topic] += 1
        for topic, count in stopped.items():
            self._metrics.stopped.labels(topic).set(count)
        await self._store_stopped()

    async def _store_stopped(self) -> None:
        """Leave word of the partitions that are stopped, for `streamrank doctor`."""
        stopped = dict(self._app.stopped)
        told, when = self._told_stopped
        if not stopped or (stopped == told and monotonic() - when < STOPPED_EVERY_S):
            return
        self._told_stopped = stopped, monotonic()
        words = [(keys.stopped(tp.partition, tp.topic), why.encode()) for tp, why in stopped.items()]
        with suppress(RedisError, OSError):  # told by other means
            await self._store.write_expiring(words, int(3 * STOPPED_EVERY_S))

    def _tell_stuck(self, name: str, own: Progress) -> None:
        stuck = bool(own.stuck_s)
        if stuck and not own.told:
            log.error("a stage is stuck: records wait, and it gets nothing done", stage=name, lag=own.lag)
        own.told = stuck
        self._metrics.stuck.labels(name).set(stuck)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # it may be half open
                await client.close()
