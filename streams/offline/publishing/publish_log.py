"""Publishing an event log: items first; once the catalogue has them, the rest in time order.

A line that cannot be decoded is sent as it is, so that the worker makes a dead letter of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from streamrank_client.events import Event, Item, Query
from streamrank_client.following import unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.logs import WORKERS_OWN, Line, in_time_order, input_lines, read_lines
from streamrank_client.making import now
from streamrank_client.routing import ITEM_TAGS, Head, head
from streamrank_client.rules import Rule
from streams.kafka.admin import check_topics
from streams.kafka.transport.producer import BatchProducer
from streams.offline.publishing.arrival import arriving
from streams.offline.publishing.sending import Sender
from streams.offline.publishing.strictness import refuse_unknown
from streams.settings import Settings

__all__ = ["PublishProgress", "Summary", "publish_log"]

#: called with the stage (`items`, `catalogue`, `events`), how many are done, and of how many
PublishProgress = Callable[[str, int, int], None]


@dataclass
class Summary:
    """What was published, in lines, and the seconds of each stage; rules count as items.

    ``broken`` lines were sent too and are in none of the other counts; ``skipped`` are the log's answers and
    dead letters, which only workers publish; ``refused`` items became dead letters. ``unsorted`` is the first
    line that was older than one before it: the log was sorted before it was sent.
    """

    items: int = 0
    behaviors: int = 0
    queries: int = 0
    broken: int = 0
    skipped: int = 0
    refused: int = 0
    unsorted: int | None = None
    shifted_ms: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class _Scan:
    """What a first reading tells: lines of each stage, the newest time, the first line out of order."""

    items: int = 0
    others: int = 0
    skipped: int = 0
    newest: int = 0
    unsorted: int | None = None


async def publish_log(
    path: Path | str,
    settings: Settings,
    *,
    speed: float | None = None,
    end_now: bool = False,
    wait: bool = True,
    patience: float = 60.0,
    strict: bool = False,
    progress: PublishProgress = lambda stage, done, total: None,
) -> Summary:
    """Publish the log at ``path``; returns once Kafka has everything.

    ``speed``: None for as fast as it goes, else times real time. ``end_now`` shifts all times so that the
    newest is now. ``wait``: behaviour and queries are held back until the catalogue has the items;
    StreamrankError after ``patience`` seconds in which none arrived there. Raises LogError for a log that
    cannot be read or, if ``strict``, has fields that no event has; SettingsError where topics are missing or have
    other partitions than the settings say; Unavailable when Kafka fails.
    """
    if strict:
        await asyncio.to_thread(refuse_unknown, path, input_lines(path))
    scan = await asyncio.to_thread(_scan, path)
    summary = Summary(skipped=scan.skipped, unsorted=scan.unsorted)
    if end_now and scan.newest:
        summary.shifted_ms = now() - scan.newest
    try:
        await _publish(path, settings, scan, summary, speed, patience if wait else None, progress)
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    return summary


async def _publish(
    path: Path | str,
    settings: Settings,
    scan: _Scan,
    summary: Summary,
    speed: float | None,
    patience: float | None,
    progress: PublishProgress,
) -> None:
    named = settings.topics
    options = kafka_options(settings)
    servers = options.pop("bootstrap_servers")
    await check_topics(settings, (named.item_events, named.behavior_events, named.query_events))
    async with AsyncExitStack() as stack:
        arrival = await stack.enter_async_context(arriving(settings))
        producer = await stack.enter_async_context(BatchProducer(servers, max_request_bytes=4 << 20, **options))
        sender = Sender(producer, named, summary.shifted_ms)

        def seen(key: bytes | None, event: Event | None) -> None:
            _count(summary, event)
            if key is not None and isinstance(event, Item | Rule):
                arrival.expect(key)

        clock = _Clock(summary)
        await sender.send(_only(path, True), None, seen, lambda n: progress("items", n, scan.items))
        clock.lap("items")
        if patience is not None:
            await arrival.complete(patience, progress)
            summary.refused = arrival.refused
        clock.lap("catalogue")
        rest: Iterable[Line] = _only(path, False)
        if scan.unsorted is not None:
            rest = in_time_order(rest)
        await sender.send(rest, speed, seen, lambda n: progress("events", n, scan.others))
        clock.lap("events")


def _scan(path: Path | str) -> _Scan:
    found = _Scan()
    last = 0
    for number, raw in read_lines(path):
        first = head(raw) or Head()
        at = first.time or 0
        found.newest = max(found.newest, at)
        if first.event in ITEM_TAGS:
            found.items += 1
        elif first.event in WORKERS_OWN:
            found.skipped += 1
        else:
            found.others += 1
            if first.time is not None and at < last and found.unsorted is None:
                found.unsorted = number
            last = max(last, at)
    return found


def _only(path: Path | str, items: bool) -> Iterator[Line]:
    """The item lines of a log, or all that are neither items nor a worker's own."""
    for line in read_lines(path):
        tag = (head(line.raw) or Head()).event
        if (tag in ITEM_TAGS) == items and tag not in WORKERS_OWN:
            yield line


def _count(summary: Summary, event: Event | None) -> None:
    if event is None:
        summary.broken += 1
    elif isinstance(event, Query):
        summary.queries += 1
    elif event.__struct_config__.tag in ITEM_TAGS:
        summary.items += 1
    else:
        summary.behaviors += 1


class _Clock:
    """Seconds of each stage into a summary."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._start = monotonic()

    def lap(self, stage: str) -> None:
        """The stage that ran since the last lap is over."""
        end = monotonic()
        self._summary.seconds[stage], self._start = round(end - self._start, 3), end
