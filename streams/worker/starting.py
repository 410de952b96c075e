"""Where a worker starts to read its partitions, and what is missing where it does.

A partition of a stage with a watermark starts there, one of the others at the committed offset. Where Kafka no longer
holds what comes next, or Redis no longer knows what came before, events have no effect on what is stored: a gap. It is
told and counted, and its partition stops, unless the operator has said to go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from faust.types import TP

from state import keys
from state.layouts import StoredValueError
from state.marks import next_of, source_mark
from streams.kafka.transport import Bounds
from streams.settings import variable
from streams.worker.stages.base import MarkedStage, Stage, Workplace

log = structlog.get_logger(__name__)

_REMEDY: Final = f"restore what is missing, or set {variable('on_gap')}=continue to go on without it"


class Gap(NamedTuple):
    """What is missing before ``start``, from where there is something again. ``events``: how many at most."""

    what: str
    events: int
    start: int


class Starts:
    """Chooses where partitions start."""

    def __init__(self, stages: Mapping[str, Stage], at: Workplace, go_on: bool) -> None:
        """``stages``: by topic; ``go_on``: whether gaps are gone over."""
        self._stages = stages
        self._store = at.store
        self._metrics = at.metrics
        self._deployment = at.deployment
        self._go_on = go_on
        #: gaps that were counted, by where they begin and end: a stopped partition is tried again and again
        self._counted: dict[TP, Gap] = {}

    async def choose(self, bounds: Mapping[TP, Bounds]) -> dict[TP, int | str]:
        """Where to start each partition, or why it is not to be read; none of these: where the group was committed."""
        starts: dict[TP, int | str] = {}
        for tp, own in bounds.items():
            stage = self._stages[tp.topic]
            stage.forget(tp.partition)
            try:
                starts |= await self._start(stage, tp, own)
            except StoredValueError as error:
                starts[tp] = str(error)
        return starts

    async def _start(self, stage: Stage, tp: TP, own: Bounds) -> dict[TP, int | str]:
        stands = own.committed
        if isinstance(stage, MarkedStage):
            (mark,) = await self._store.read([keys.watermark(tp.partition, tp.topic)])
            stands = next_of(mark)
            if stands is not None and own.committed is not None and stands < own.committed:
                self._read_again(tp, own.committed - stands)
        gap = _gap(own, stands)
        if gap is None:
            return {} if stands is None else {tp: stands}
        self._tell(tp, gap)
        if not self._go_on:
            return {tp: f"{gap.what}: {_REMEDY}"}
        if isinstance(stage, MarkedStage) and stands is not None:
            await stage.pass_by(tp.partition, None, gap.start)
            if stands > gap.start:
                await self._forget_source(tp.partition, stage.feeds)
        return {tp: gap.start}

    def _read_again(self, tp: TP, events: int) -> None:
        log.warning(
            "Redis holds an older state than was committed: its events are read again",
            topic=tp.topic,
            partition=tp.partition,
            events=events,
        )

    def _tell(self, tp: TP, gap: Gap) -> None:
        if self._counted.get(tp) == gap:
            return
        self._counted[tp] = gap
        self._metrics.gap_events.labels(tp.topic).inc(gap.events)
        log.error(gap.what, topic=tp.topic, partition=tp.partition, events=gap.events, go_on=self._go_on)

    async def _forget_source(self, source: int, fed: Sequence[str]) -> None:
        """Have these topics' stages take what this partition leads to again: its offsets have begun anew."""
        partitions = self._deployment.partitions
        for topic in (getattr(self._deployment.topics, name) for name in fed):
            for partition in range(topic.partitions):
                async with self._store.transaction(keys.watermark(partition, topic.name)) as transaction:
                    raw, _ = await transaction.read([])
                    mark = source_mark(raw, partitions)
                    if mark.next is not None:
                        sources = mark.sources.copy()
                        sources[source] = -1
                        await transaction.write(mark.moved(mark.next, sources).stored(), [])


def _gap(own: Bounds, stands: int | None) -> Gap | None:
    """What is missing, of a partition whose effects are stored up to ``stands``."""
    if stands is None:
        if not own.committed:
            return None  # a first start
        return Gap(
            f"Redis holds no watermark, but {own.committed} events were stored: it was emptied",
            own.committed,
            own.first,
        )
    if stands < own.first:
        missing = own.first - stands
        return Gap(f"Kafka begins at {own.first}, but all is stored only up to {stands}", missing, own.first)
    if own.out_of_range:
        return Gap(
            f"all is stored up to {stands}, where Kafka holds nothing: the topic was made anew, or Kafka lost its end",
            max(stands - own.first, 0),
            own.first,
        )
    return None
