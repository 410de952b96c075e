"""Lines of a log on their way to Kafka: routed by tag, grouped by partition, sent in batches, paced."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice
from time import monotonic
from typing import Final

import msgspec

from streamrank_client.events import Event, decode_event, encode
from streamrank_client.logs import Line
from streamrank_client.routing import Head, head, route
from streamrank_client.topics import Topics
from streams.kafka.transport.producer import BatchProducer

__all__ = ["Sender", "chunks", "shifted"]

#: lines that are grouped into batches at a time; two such chunks are on their way at most
CHUNK: Final = 8_000
#: a line longer than this is cut, so that Kafka takes it; over 1 MiB it becomes a dead letter in any case
LONGEST: Final = 3 << 20

#: called for each line that is sent, with the event, or None where it cannot be decoded
Seen = Callable[[bytes | None, Event | None], None]


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

    async def send(
        self, lines: Iterable[Line], speed: float | None, seen: Seen, progress: Callable[[int], None]
    ) -> None:
        """Send all lines; returns when Kafka has them. ``progress`` gets the number of lines stored."""
        on_their_way: list[asyncio.Future[object]] = []
        stored = sent = 0
        async for chunk in chunks(lines, speed):
            groups = self._grouped(chunk, seen)
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

    def _grouped(self, chunk: list[Line], seen: Seen) -> dict[tuple[str, int], list[tuple[bytes | None, bytes]]]:
        groups: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = defaultdict(list)
        for _, raw in chunk:
            spec, key, partition = route(head(raw), self._topics)
            event = _decoded(raw)
            seen(key, event)
            groups[spec.name, partition].append((key, shifted(raw, event, self._shift_ms)[:LONGEST]))
        return groups


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
