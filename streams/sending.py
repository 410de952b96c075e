"""Lines of a log on their way to Kafka: routed by tag, grouped by partition, sent in batches, paced."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice
from time import monotonic
from typing import Final

import msgspec

from streams.events import Event, decode_event, encode
from streams.log import Head, Line, head
from streams.routing import topic_of
from streams.ruling import rule_key
from streams.topics import Topics, TopicSpec
from streams.transport.partitioner import partition_for
from streams.transport.producer import BatchProducer

__all__ = ["Sender", "chunks", "destination", "shifted"]

#: lines that are grouped into batches at a time; two such chunks are on their way at most
CHUNK: Final = 8_000
#: a line longer than this is cut, so that Kafka takes it; over 1 MiB it becomes a dead letter in any case
LONGEST: Final = 3 << 20

#: called for each line that is sent, with the event, or None where it cannot be decoded
Seen = Callable[[bytes | None, Event | None], None]


def destination(first: Head | None, named: Topics) -> tuple[TopicSpec, bytes | None]:
    """Topic and key for a line with this head; behavior-events where nothing can be read.

    The key of a line without one is None, on the compacted topic of items, which takes no None, empty.

    >>> from streams.topics import topics
    >>> destination(Head(event="query", request_id="r1"), topics())[1]
    b'r1'
    """
    found = first or Head()
    spec = topic_of(found.event, named) or named.behavior_events
    if spec is named.item_events:
        name = rule_key(found.rule_id) if found.rule_id and not found.item_id else found.item_id
        return spec, _key(name) or b""
    if spec is named.query_events:
        return spec, _key(found.user_id or found.request_id)
    return spec, _key(found.user_id)


def _key(text: str | None) -> bytes | None:
    return text.encode(errors="replace") if text else None


def shifted(raw: bytes, event: Event | None, by_ms: int) -> bytes:
    """The line with its time moved; as it is when it cannot be decoded or nothing is to be moved."""
    if not by_ms or event is None:
        return raw
    event.time = max(0, event.time + by_ms)
    return encode(event)


class Sender:
    """Sends lines in batches of a partition each, in order, with their times moved by ``shift_ms``."""

    def __init__(self, producer: BatchProducer, named: Topics, shift_ms: int) -> None:
        self._producer = producer
        self._topics = named
        self._shift_ms = shift_ms
        self._partitions: dict[str, int] = {}

    async def send(
        self, lines: Iterable[Line], speed: float | None, seen: Seen, progress: Callable[[int], None]
    ) -> None:
        """Send all lines; returns when Kafka has them. ``progress`` gets the number of lines stored."""
        on_their_way: list[asyncio.Future[object]] = []
        stored = sent = 0
        async for chunk in chunks(lines, speed):
            groups = self._grouped(chunk, await self._known_partitions(), seen)
            futures = [
                future
                for (topic, partition), records in groups.items()
                for future in await self._producer.send_many(topic, partition, records)
            ]
            await asyncio.gather(*on_their_way)
            stored, sent, on_their_way = sent, sent + len(chunk), futures
            progress(stored)
        await asyncio.gather(*on_their_way)
        progress(sent)

    def _grouped(
        self, chunk: list[Line], partitions: dict[str, int], seen: Seen
    ) -> dict[tuple[str, int], list[tuple[bytes | None, bytes]]]:
        groups: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = defaultdict(list)
        for _, raw in chunk:
            spec, key = destination(head(raw), self._topics)
            event = _decoded(raw)
            seen(key, event)
            value = shifted(raw, event, self._shift_ms)[:LONGEST]
            partition = partition_for(key, partitions[spec.name]) if key else 0
            groups[spec.name, partition].append((key, value))
        return groups

    async def _known_partitions(self) -> dict[str, int]:
        if not self._partitions:
            for spec in (self._topics.item_events, self._topics.behavior_events, self._topics.query_events):
                self._partitions[spec.name] = await self._producer.partitions(spec.name)
        return self._partitions


def _decoded(raw: bytes) -> Event | None:
    try:
        return decode_event(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


async def chunks(lines: Iterable[Line], speed: float | None) -> AsyncIterator[list[Line]]:
    """The lines in lists of at most ``CHUNK``; with ``speed``, each when its time has come.

    The first line's time is the start; ``speed`` 60 makes an hour of the log a minute.
    """
    if speed is None:
        rest = iter(lines)
        while chunk := list(islice(rest, CHUNK)):
            yield chunk
        return
    start, first, at, due = monotonic(), None, 0, list[Line]()
    for line in lines:
        at = (head(line.raw) or Head()).time or at
        first = at if first is None else first
        ahead = (at - first) / 1000 / speed - (monotonic() - start)
        if due and (ahead > 0 or len(due) == CHUNK):
            yield due
            due = []
        if ahead > 0:
            await asyncio.sleep(ahead)
        due.append(line)
    if due:
        yield due
