"""What HTTP costs: a query through the gateway beside the same query through the Python client, and posts a second.

The worker is the bare echo, so that the difference is the gateway's. Both ways take turns, one query at a time. Posts
come over several connections that are kept, from a client that does as little as it can.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any, Final

import psutil

from bench.load import cpu
from bench.processes import GatewayProcess, Process
from bench.query import percentiles
from bench.servers import RealKafka
from streamrank_client.client import Client
from streamrank_client.events import Click, Query, encode
from streamrank_client.making import new_id, now
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST
from streams.settings import Settings

__all__ = ["Amounts", "measure", "table"]

Say = Callable[[str], None]
Figures = dict[str, Any]
TIMEOUT_S: Final = 30.0
TEXT: Final = "coffee beans"
#: users that queries and events come from
USERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is done: queries each way, in turns; seconds of posts one by one, and of batches."""

    queries: int = 1_000
    turns: int = 10
    seconds: float = 8.0
    connections: int = 16
    batch_lines: int = 2_000
    batch_connections: int = 4


class Connection:
    """An HTTP connection that is kept: a request written whole, an answer read by its length."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, body: bytes, content_type: str = "application/json") -> tuple[int, bytes]:
        """Status and body of a POST."""
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {content_type}\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head_lines = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line[15:]) for line in head_lines if line.startswith(b"content-length:"))
        return int(head_lines[0].split(b" ")[1]), await self._reader.readexactly(length)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection to the gateway."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 22)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


async def measure(amounts: Amounts | None = None, say: Say = lambda text: None) -> Figures:
    """Start Kafka, the echo and a gateway, and ask and post."""
    how = amounts or Amounts()
    with ExitStack() as stack:
        say("starting Kafka, an echo and a gateway")
        kafka = stack.enter_context(RealKafka())
        settings = Settings(kafka=kafka.kafka, log_level="warning")
        await create_topics(settings)
        stack.enter_context(Process(settings, "echo"))
        gateway = stack.enter_context(GatewayProcess(settings))
        figures = {"queries": await _queries(settings, gateway.port, how, say)}
        figures["single_posts"] = await _posts(gateway, how.connections, how.seconds, _one_click, "application/json")
        say(f"single posts: {figures['single_posts']['events_per_s']:,}/s")

        def batch(number: int) -> tuple[bytes, int]:
            lines = [_one_click(number * how.batch_lines + n)[0] for n in range(how.batch_lines)]
            return b"\n".join(lines), len(lines)

        figures["batches"] = await _posts(
            gateway, how.batch_connections, how.seconds, batch, "application/x-ndjson", prepared=64
        )
        say(f"batches: {figures['batches']['events_per_s']:,}/s")
    return {**figures, "machine": {"cpu": cpu(), "batch_lines": how.batch_lines}}


async def _queries(settings: Settings, port: int, how: Amounts, say: Say) -> Figures:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(settings=settings))
        connection = await stack.enter_async_context(connected(port))

        async def by_client(number: int) -> None:
            user = f"u{number % USERS}"
            await client.ask_query(Query(time=now(), request_id=new_id(), user_id=user, text=TEXT), TIMEOUT_S)

        async def by_http(number: int) -> None:
            body = encode({"user_id": f"u{number % USERS}", "text": TEXT})
            status, said = await connection.post("/v1/ask?timeout_ms=30000", body)
            assert status == 200, said[:500]

        ways: dict[str, Callable[[int], Awaitable[None]]] = {"client": by_client, "http": by_http}
        for ask in ways.values():
            for number in range(50):
                await ask(number)
        took: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(how.turns):
            for name, ask in ways.items():
                for number in range(how.queries // how.turns):
                    began = perf_counter()
                    await ask(turn + number)
                    took[name].append(1000 * (perf_counter() - began))
        found: Figures = {name: percentiles(ms) for name, ms in took.items()}
        found["p50_more_ms"] = round(found["http"]["p50_ms"] - found["client"]["p50_ms"], 3)
        say(f"a query over HTTP takes {found['p50_more_ms']} ms more at p50")
        return found


async def _posts(
    gateway: GatewayProcess,
    connections: int,
    seconds: float,
    body: Callable[[int], tuple[bytes, int]],
    content_type: str,
    prepared: int = 4_096,
) -> Figures:
    """Events a second that were acknowledged, and the gateway's processor time for each; bodies are made before."""
    bodies = [body(number) for number in range(prepared)]
    accepted = 0
    took: list[float] = []
    end = monotonic() + seconds

    async def loop(first: int) -> None:
        nonlocal accepted
        async with connected(gateway.port) as connection:
            number = first
            while monotonic() < end:
                raw, events = bodies[number % len(bodies)]
                number += connections
                began = perf_counter()
                status, said = await connection.post("/v1/events", raw, content_type)
                took.append(1000 * (perf_counter() - began))
                assert status == 202, said[:500]
                assert json.loads(said)["accepted"] == events
                accepted += events

    process = psutil.Process(gateway.pid)
    worked, began = sum(process.cpu_times()[:2]), monotonic()
    await asyncio.gather(*(loop(first) for first in range(connections)))
    spent = sum(process.cpu_times()[:2]) - worked
    return {
        "events_per_s": round(accepted / (monotonic() - began)),
        "events": accepted,
        "processor_us_per_event": round(1e6 * spent / accepted, 1),
        **percentiles(took),
    }


def _one_click(number: int) -> tuple[bytes, int]:
    user = f"u{number % USERS}"
    return encode(Click(event_id=new_id(), user_id=user, item_id=f"p{number % 5_000}", time=now())), 1


def table(figures: Figures) -> list[str]:
    """The figures as lines."""
    asked, single, batches = figures["queries"], figures["single_posts"], figures["batches"]
    return [
        f"a query, p50 ms: {asked['client']['p50_ms']} by the Python client, {asked['http']['p50_ms']} over HTTP, "
        f"{asked['p50_more_ms']} more",
        f"single posts: {single['events_per_s']:,} events/s, p50 {single['p50_ms']} ms, "
        f"{single['processor_us_per_event']} µs of the gateway's processor for each",
        f"batches of {figures['machine']['batch_lines']:,} lines: {batches['events_per_s']:,} events/s, "
        f"p50 {batches['p50_ms']} ms, {batches['processor_us_per_event']} µs",
    ]
