"""Speed of ingest: a purchase log until contexts, signals and item tables are stored and offsets are committed.

Every contestant is measured in the same way: the log is in Kafka before it starts; the time runs from its first
batch (or event) to the moment at which its group's committed offsets are at the log's end, and, for streamrank,
the watermarks of everything that follows are at theirs, as seen from outside every 10 ms. They run in
alternation, each with fresh topics (or a fresh group) and an empty Redis; the figures are medians.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from statistics import median
from typing import Any, Final

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]

from bench.load import Load, Record, first_purchases, machine, publish
from bench.processes import Process
from bench.servers import RealKafka, RealRedis
from bench.stored import Watch, watching
from streamrank_client.following import following
from streamrank_client.topics import Topics
from streams.kafka.admin import create_topics
from streams.offline.building.artifacts import ensure_encoders
from streams.settings import Settings

__all__ = ["EVENTS", "Figures", "measure", "table"]

#: purchases of the log: its first eight weeks
EVENTS: Final = 200_000
#: the stock agents get a part of the log, as they take so much longer: this share of it
DECODE_SHARE: Final = 4
REDIS_SHARE: Final = 20
Say = Callable[[str], None]
Figures = dict[str, Any]


async def measure(events: int = EVENTS, rounds: int = 3, say: Say = lambda text: None) -> Figures:
    """Run all contestants; events a second of each, in medians, with every value and the machine."""
    with ExitStack() as stack:
        say("starting Kafka and Redis, reading the log")
        kafka, redis = stack.enter_context(RealKafka()), stack.enter_context(RealRedis())
        settings = Settings(kafka=kafka.kafka, redis=redis.redis, log_level="warning")
        ensure_encoders(settings)
        load = first_purchases(events, settings.partitions)
        async with watching(settings) as watch:
            bench = _Ingest(settings, load, watch, say)
            items = await bench.items()
            await bench.publish_for_stock()
            values: dict[str, list[float]] = {name: [] for name in bench.contestants}
            for number in range(rounds):
                for name, run in bench.contestants.items():
                    eps = await run()
                    values[name].append(round(eps))
                    say(f"round {number + 1} of {rounds}: {name} {eps:,.0f}/s")
        return _figures(values, round(items), machine(redis, load))


def _figures(values: dict[str, list[float]], items: int, where: Figures) -> Figures:
    eps = {f"{name}_eps": median(all_) for name, all_ in values.items()}
    return {
        **eps,
        "items_eps": items,
        "ratio_stock_decode": round(eps["streamrank_eps"] / eps["stock_decode_eps"], 2),
        "ratio_stock_redis": round(eps["streamrank_eps"] / eps["stock_redis_eps"], 2),
        "values": values,
        "machine": where,
    }


class _Ingest:
    """The contestants over one log; each ``run`` returns events a second."""

    def __init__(self, settings: Settings, load: Load, watch: Watch, say: Say) -> None:
        self._settings = settings
        self._load = load
        self._watch = watch
        self._say = say
        self._number = count()
        self._catalogue: list[Record] = []
        self._short = {share: _share(load, share) for share in (DECODE_SHARE, REDIS_SHARE)}
        self.contestants = {
            "streamrank": partial(self._streamrank, "behavior,signals"),
            "stock_decode": partial(self._stock, DECODE_SHARE),
            "contexts_only": partial(self._streamrank, "behavior"),
            "stock_redis": partial(self._stock, REDIS_SHARE, "--redis"),
        }

    async def _fresh(self) -> tuple[Settings, Topics]:
        """Settings with topics and a group that nobody has used, and an empty Redis."""
        name = f"run{next(self._number)}"
        settings = replace(self._settings, topic_prefix=f"{name}-", group=name)
        await create_topics(settings)
        await self._watch.flush()
        return settings, settings.topics

    async def items(self) -> float:
        """Items a second through the items agent; what it published is the catalogue of all later runs."""
        settings, named = await self._fresh()
        await publish(settings, named.item_events.name, self._load.items)
        watch, spec = self._watch, named.item_events
        ends = await watch.ends(spec.name, spec.partitions)
        total = len(self._load.titles)
        self._say(f"{total:,} items")

        async def broadcast() -> bool:
            return await watch.records(named.catalogue.name, 1) >= total

        with Process(settings, "streamrank", "--stages", "items") as worker:
            committed = partial(watch.committed, f"{settings.group}-ingest", ends)
            seconds = await watch.until(worker, [broadcast, committed]) - worker.up_at
        self._catalogue = await _whole(settings, named.catalogue.name, total)
        self._say(f"items {total / seconds:,.0f}/s")
        return total / seconds

    async def _streamrank(self, stages: str) -> float:
        settings, named = await self._fresh()
        await publish(settings, named.catalogue.name, {0: self._catalogue})
        await publish(settings, named.behavior_events.name, self._load.behaviors)
        watch, group = self._watch, f"{settings.group}-ingest"
        ends = await watch.ends(named.behavior_events.name, settings.partitions)
        with Process(settings, "streamrank", "--stages", stages) as worker:
            await watch.until(worker, [partial(watch.stored, ends)])
            if "signals" in stages:
                ends |= await watch.ends(named.signals.name, settings.partitions)
            end = await watch.until(worker, [partial(watch.stored, ends), partial(watch.committed, group, ends)])
            worker.kill9()  # its drain would take seconds, and its state is thrown away
            return self._load.events / (end - worker.up_at)

    def _stock_topic(self, share: int) -> Settings:
        return replace(self._settings, topic_prefix=f"share{share}-")

    async def publish_for_stock(self) -> None:
        """The stock agents' parts of the log, which all their runs read: only the group is fresh."""
        for share, partitions in self._short.items():
            settings = self._stock_topic(share)
            await create_topics(settings)
            await publish(settings, settings.topics.behavior_events.name, partitions)

    async def _stock(self, share: int, *more: str) -> float:
        await self._watch.flush()
        settings = replace(self._stock_topic(share), group=f"stock{next(self._number)}")
        topic = settings.topics.behavior_events.name
        ends = await self._watch.ends(topic, settings.partitions)
        with Process(settings, "stock", "--topic", topic, *more) as worker:
            end = await self._watch.until(worker, [partial(self._watch.committed, settings.group, ends)])
            worker.kill9()
            return sum(ends.values()) / (end - worker.up_at)


def _share(load: Load, share: int) -> dict[int, Sequence[Record]]:
    return {p: records[: max(1, len(records) // share)] for p, records in load.behaviors.items()}


async def _whole(settings: Settings, topic: str, records: int) -> list[Record]:
    """The first ``records`` records of a topic of one partition."""
    found: list[Record] = []
    async with following(settings, topic, from_start=True) as consumer:
        assert isinstance(consumer, AIOKafkaConsumer)
        while len(found) < records:
            for batch in (await consumer.getmany(timeout_ms=1_000)).values():
                found += [(record.key, record.value) for record in batch]
    return found


def table(figures: Figures) -> list[str]:
    """The figures as lines to read."""
    rows = [(name, figures[f"{name}_eps"], all_) for name, all_ in figures["values"].items()]
    lines = [f"{name:<14}{eps:>12,.0f} events/s   {', '.join(f'{v:,}' for v in all_)}" for name, eps, all_ in rows]
    return [
        *lines,
        f"{'items':<14}{figures['items_eps']:>12,.0f} items/s",
        f"streamrank is {figures['ratio_stock_decode']} times stock Faust that only decodes, "
        f"{figures['ratio_stock_redis']} times stock Faust with Redis",
        ", ".join(f"{name} {value}" for name, value in figures["machine"].items()),
    ]
