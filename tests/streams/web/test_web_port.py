"""The web port against who means ill or is only slow: bounds on connections, bytes and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiohttp import web

from streams.offline.servers import HOST, free_port
from streams.web.web_port import PAGES, Bounds, WebPort


@asynccontextmanager
async def listening(bounds: Bounds = PAGES) -> AsyncIterator[tuple[WebPort, int]]:
    """A port with one page, /health, and one that waits for ever, /slow."""

    async def health(request: web.Request) -> web.Response:
        return web.Response(text="well")

    async def slow(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/slow", slow)])
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
    async with listening(Bounds(request_within=0.2)) as (port, number):
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
    async with listening(Bounds(answer_within=0.2)) as (port, number):
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


def test_it_serves_on_the_loop_that_workers_run_on() -> None:
    """uvloop's transports are none of asyncio's classes."""

    async def ask() -> bytes:
        async with listening() as (_, number):
            return await said(number, GET)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask()).endswith(b"well")
