"""What the benches publish: The Complete Journey as raw records by partition, and what they tell of the machine."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Final

from bench.servers import KAFKA_VERSION, RealRedis
from streamrank_client.events import Item, Purchase, encode
from streamrank_client.kafka_options import kafka_options
from streams.kafka.transport import BatchProducer, partition_for
from streams.offline.importers import complete_journey
from streams.settings import Settings

__all__ = ["Load", "Record", "cpu", "first_purchases", "machine", "publish"]

Record = tuple[bytes | None, bytes | None]
Partitions = Mapping[int, Sequence[Record]]
WEEKS: Final = 8


@dataclass(slots=True)
class Load:
    """Records of item-events and behavior-events by partition; titles and households for making queries."""

    items: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    behaviors: dict[int, list[Record]] = field(default_factory=lambda: defaultdict(list))
    titles: dict[str, str] = field(default_factory=dict)
    households: list[str] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many purchases."""
        return sum(map(len, self.behaviors.values()))


def first_purchases(events: int, partitions: int, end_at: int | None = None) -> Load:
    """The log's first ``events`` purchases (or eight weeks of them, if that is fewer) and the items they name.

    ``end_at`` (Unix ms) shifts all times so that the last purchase is then.
    """
    log = complete_journey.events(weeks=(1, WEEKS))
    items: list[Item] = []
    purchases: list[Purchase] = []
    for event in log:
        if isinstance(event, Item):
            items.append(event)
        elif isinstance(event, Purchase):
            purchases = [event, *islice((e for e in log if isinstance(e, Purchase)), events - 1)]
            break
    shift = 0 if end_at is None else end_at - purchases[-1].time
    named = {purchase.item_id for purchase in purchases}
    load = Load()
    for item in items:
        if item.item_id in named:
            item.time += shift
            load.titles[item.item_id] = item.title
            load.items[partition_for(item.item_id.encode(), partitions)].append((item.item_id.encode(), encode(item)))
    for purchase in purchases:
        purchase.time += shift
        key = purchase.user_id.encode()
        load.behaviors[partition_for(key, partitions)].append((key, encode(purchase)))
    load.households = sorted({purchase.user_id for purchase in purchases})
    return load


async def publish(settings: Settings, topic: str, partitions: Partitions) -> None:
    """Publish records at full speed; returns once Kafka has them all."""
    options = kafka_options(settings)
    async with BatchProducer(options.pop("bootstrap_servers"), max_request_bytes=4 << 20, **options) as producer:
        for partition, records in partitions.items():
            await asyncio.gather(*await producer.send_many(topic, partition, records))


def machine(server: RealRedis, load: Load) -> dict[str, str | int]:
    """Where and on what was measured."""
    redis = subprocess.run([server.command()[0], "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "kafka": f"Apache Kafka {KAFKA_VERSION}",
        "redis": _after("v=", redis),
        "faust": version("faust-streaming"),
        "aiokafka": version("aiokafka"),
        "log": "The Complete Journey, from its first purchase",
        "items": len(load.titles),
        "events": load.events,
    }


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names: Iterable[str] = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(iter(names), platform.processor())


def _after(mark: str, text: str) -> str:
    """The word that follows ``mark``.

    >>> _after("v=", "Redis server v=7.0.15 sha=0")
    '7.0.15'
    """
    return text.partition(mark)[2].split(" ")[0]
