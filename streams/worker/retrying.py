"""A batch until it is done: tried again while a server is away, read again where its watermark has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from streams.errors import NotOwner, Released
from streams.kafka.transport import BatchApp, RecordBatch
from streams.worker.metrics import Metrics
from streams.worker.stages.base import Stage

log = structlog.get_logger(__name__)

#: what passes by itself, sooner or later
RETRIABLE: Final = (RedisError, KafkaError, OSError)
#: the first pause, and the longest, in seconds; a line in the log at most every so many
FIRST_S: Final = 0.05
LONGEST_S: Final = 5.0
TOLD_EVERY_S: Final = 60.0


class Retrying:
    """Has stages handle batches until they are done. ``done`` is told of each that is."""

    def __init__(self, app: BatchApp, metrics: Metrics, done: Callable[[str], None]) -> None:
        self._app = app
        self._metrics = metrics
        self._done = done
        #: when it was last told that a stage tries again
        self._told: dict[str, float] = {}

    async def until_done(self, stage: Stage, batch: RecordBatch) -> bool:
        """Handle a batch; False when its partition is to be read again, has gone or stops. Raises at the app's end."""
        pause = FIRST_S
        while True:
            try:
                await (stage.handle if batch else stage.pass_empty)(batch.tp.partition, batch)
                self._done(stage.name)
                return True
            except Released:
                return False
            except NotOwner as error:
                log.info("a partition is read again from its watermark", reason=str(error))
                self._app.put_again({batch.tp})
                return False
            except RETRIABLE as error:
                # nothing is forgotten: if the watermark has moved, or is an older one, NotOwner tells
                self._metrics.retries.labels(stage.name).inc()
                self._tell(stage, batch, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_S)
                if self._app.should_stop:
                    raise
                if not batch.live:
                    return False
            except Exception as error:
                # this program's fault, or that of what is stored: nothing is left behind
                stage.forget(batch.tp.partition)
                self._app.stop_partition(batch.tp, str(error) or type(error).__name__)
                return False

    def _tell(self, stage: Stage, batch: RecordBatch, error: Exception) -> None:
        if monotonic() - self._told.get(stage.name, float("-inf")) >= TOLD_EVERY_S:
            self._told[stage.name] = monotonic()
            log.warning(
                "tried again until it works", stage=stage.name, partition=batch.tp.partition, error=repr(error)[:300]
            )
