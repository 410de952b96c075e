"""The web port against who means ill or is only slow: bounds on connections, bytes and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvloop
from aiohttp import web

from streamrank_client.errors import SettingsError
from streams.offline.servers import HOST, free_port
from streams.web.web_port import PAGES, PortBounds, WebPort


@asynccontextmanager
async def listening(bounds: PortBounds = PAGES) -> AsyncIterator[tuple[WebPort, int]]:
    """A port with a page, /health, one that waits for ever, /slow, and one that gives back what is posted, /echo."""

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="well")

    async def slow(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/slow", slow), web.post("/echo", echo)])
    number = free_port()
    port = WebPort(app, HOST, number, bounds)
    await port.start()
    try:
        yield port, number
    finally:
        await port.stop()


async def send(number: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which something was sent."""
    reader, writer = await asyncio.open_connection(HOST, number)
    writer.write(request)
    return reader, writer


async def said(number: int, request: bytes) -> bytes:
    """All that comes back until the connection ends."""
    reader, writer = await send(number, request)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_request_is_answered_and_its_connection_ends() -> None:
    """One request a connection, whatever the client would like."""
    async with listening() as (port, number):
        answer = await said(number, GET)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"well")
        assert not port.open
        assert (await said(number, b"GET /router HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 404")


async def test_600_half_open_connections_keep_nobody_out() -> None:
    """Only so many stand at once, and who asks is answered meanwhile."""
    async with listening() as (port, number):
        held = [await send(number, b"GET /health HTTP/1.1\r\n") for _ in range(600)]
        assert (await said(number, GET)).endswith(b"well")
        assert len(port.open) <= PAGES.connections
        for _, writer in held:
            writer.close()


async def test_connections_that_send_nothing_are_closed_in_time() -> None:
    """Those that send a byte now and then, too."""
    async with listening(PortBounds(request_within=0.2)) as (port, number):
        silent, _ = await send(number, b"")
        dripping, writer = await send(number, b"GET /")
        for _ in range(20):
            await asyncio.sleep(0.02)
            if not writer.is_closing():
                writer.write(b"a")
        for reader in (silent, dripping):
            assert await asyncio.wait_for(_until_closed(reader), 5) == b""
        assert not port.open
        assert not port.waiting


async def test_a_request_that_takes_too_long_to_answer_is_ended() -> None:
    """It holds its connection no longer than that."""
    async with listening(PortBounds(answer_within=0.2)) as (port, number):
        reader, _ = await send(number, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await asyncio.wait_for(_until_closed(reader), 5) == b""
        assert not port.open


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\n" + b"A: " + b"x" * PAGES.head_bytes,
        b"".join([b"GET /health HTTP/1.1\r\n", *(b"A%d: x\r\n" % n for n in range(20_000))]),
        b"GET /health?" + b"x" * (2 * PAGES.head_bytes),
    ],
    ids=["one header", "many headers", "an address"],
)
async def test_a_request_that_is_too_large_is_refused(request_: bytes) -> None:
    """It is never answered as if it were well, and its connection ends."""
    async with listening() as (port, number):
        answer = await said(number, request_)
        assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        await asyncio.sleep(0.05)
        assert not port.open


async def test_no_body_is_read() -> None:
    """A page is answered without it, and the connection ends with it."""
    async with listening() as (_, number):
        head = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        assert (await said(number, head + b"x" * 1_000)).endswith(b"well")


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


# ---------------------------------------------------------------- connections that are kept
KEPT = PortBounds(connections=4, keep_alive=True, body_bytes=None, end_within=5.0)


async def answer_of(reader: asyncio.StreamReader) -> bytes:
    """One answer of a connection that may carry more."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return head + await asyncio.wait_for(reader.readexactly(int(lengths[0])), 5)


async def test_a_kept_connection_carries_many_requests_also_at_once() -> None:
    """One after the other, three that are sent together, and one that comes in pieces."""
    async with listening(KEPT) as (port, number):
        reader, writer = await send(number, GET)
        assert (await answer_of(reader)).endswith(b"well")
        writer.write(GET * 3)
        for _ in range(3):
            assert (await answer_of(reader)).endswith(b"well")
        for piece in (GET[:20], GET[20:-2], GET[-2:]):
            writer.write(piece)
            await asyncio.sleep(0.02)
        assert (await answer_of(reader)).endswith(b"well")
        assert (len(port.open), len(port.waiting)) == (1, 1)
        writer.close()


async def test_a_kept_connection_that_asks_nothing_more_is_closed_in_time() -> None:
    """Whether it is silent or drips a head."""
    async with listening(replace(KEPT, request_within=0.2)) as (port, number):
        for rest in (b"", b"GET /"):
            reader, writer = await send(number, GET)
            assert (await answer_of(reader)).endswith(b"well")
            writer.write(rest)
            assert await asyncio.wait_for(_until_closed(reader), 5) == b""
        assert not port.open


async def test_a_connection_that_waits_gives_way_and_one_that_is_answered_does_not() -> None:
    """The one that has waited longest goes first."""
    async with listening(KEPT) as (port, number):
        busy = [await send(number, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(2)]
        idle = []
        for _ in range(2):
            reader, writer = await send(number, GET)
            assert (await answer_of(reader)).endswith(b"well")
            idle.append((reader, writer))
        assert (await said(number, GET.replace(b"Host", b"Connection: close\r\nHost"))).endswith(b"well")
        assert await asyncio.wait_for(_until_closed(idle[0][0]), 5) == b""
        idle[1][1].write(GET)
        assert (await answer_of(idle[1][0])).endswith(b"well")
        assert len(port.open) == 3
        for _, writer in (*busy, *idle):
            writer.close()


async def test_a_body_that_does_not_come_holds_a_connection_no_longer_than_an_answer() -> None:
    """Neither by dripping nor by silence; the head of the next request has its own bound."""
    async with listening(replace(KEPT, answer_within=0.3)) as (port, number):
        reader, writer = await send(number, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        for _ in range(5):
            await asyncio.sleep(0.1)
            if not writer.is_closing():
                writer.write(b"a")
        assert await asyncio.wait_for(_until_closed(reader), 5) == b""
        reader, writer = await send(number, GET)
        assert (await answer_of(reader)).endswith(b"well")
        writer.write(b"GET /health HTTP/1.1\r\nA: " + b"x" * (2 * PAGES.head_bytes))
        assert b"well" not in await asyncio.wait_for(_until_closed(reader), 5)
        assert not port.open


async def test_a_port_that_stops_answers_what_was_asked_and_closes_what_waits() -> None:
    """Its answers say that the connection ends."""
    async with listening(KEPT) as (port, number):
        idle, writer = await send(number, GET)
        assert (await answer_of(idle)).endswith(b"well")
        body = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab"
        reader, sender = await send(number, body)
        await asyncio.sleep(0.1)
        ending = asyncio.create_task(port.stop())
        assert await asyncio.wait_for(_until_closed(idle), 5) == b""
        sender.write(b"cd")
        answer = await asyncio.wait_for(reader.read(), 5)
        assert answer.endswith(b"abcd")
        assert b"connection: close" in answer.lower()
        await asyncio.wait_for(ending, 5)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(HOST, number)
        writer.close()


async def test_a_port_that_cannot_be_opened_names_the_setting_and_a_remedy() -> None:
    """One that is taken, and an address that is none of this machine's."""
    async with listening() as (_, number):
        with pytest.raises(SettingsError, match=rf"STREAMRANK_WEB_PORT={number} on 127.0.0.1 is taken: choose another"):
            await WebPort(web.Application(), HOST, number).start()
    with pytest.raises(SettingsError, match=r"STREAMRANK_GATEWAY_HOST=192\.0\.2\.1: .*name an address of this machine"):
        await WebPort(web.Application(), "192.0.2.1", free_port(), prefix="gateway").start()


def test_it_serves_on_the_loop_that_workers_run_on() -> None:
    """uvloop's transports are none of asyncio's classes."""

    async def ask() -> bytes:
        async with listening() as (_, number):
            return await said(number, GET)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()).endswith(b"well")
