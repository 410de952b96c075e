"""A web port: bounds on connections, bytes and time before a request is handled, the same for workers and gateways.

Who opens connections and sends nothing, or a byte now and then, holds none of them for long and keeps nobody out.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from aiohttp import web

from streamrank_client.errors import SettingsError
from streamrank_client.settings import variable

__all__ = ["PAGES", "PortBounds", "WebPort", "answers_for_long"]

_END_OF_HEADERS: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class PortBounds:
    """What a port allows; times in seconds.

    ``connections``: open ones; the one that has waited longest for its request gives way to a new one. ``head_bytes``:
    of a request's head; ``body_bytes``: of what follows it, None where handlers bound it. ``request_within``: from the
    connection's beginning, or from the last answer, until the next request's head is there whole; ``answer_within``:
    from then on until it is answered. ``keep_alive``: a connection may carry more than one request. ``end_within``: how
    long requests that are being answered may go on when the port stops.
    """

    connections: int = 64
    head_bytes: int = 32 << 10
    body_bytes: int | None = 32 << 10
    request_within: float = 5.0
    answer_within: float = 60.0
    keep_alive: bool = False
    end_within: float = 1.0


#: of ports with pages only: they take no body
PAGES: Final = PortBounds()


class WebPort:
    """Serves an application of aiohttp on a host and port. ``prefix``: of the settings that name them."""

    def __init__(
        self, app: web.Application, host: str, port: int, bounds: PortBounds = PAGES, *, prefix: str = "web"
    ) -> None:
        self.bounds = bounds
        self._address = host, port
        self._prefix = prefix
        app[_PORT] = self
        app.middlewares.insert(0, _each_request)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            lingering_time=1.0,
            shutdown_timeout=0.1,  # `stop` has waited before
            keepalive_timeout=2 * bounds.request_within,  # this port's own timer ends it before
        )
        self._server: asyncio.Server | None = None
        #: by transport; those whose request has not come whole, oldest first, and all
        self.waiting: dict[asyncio.BaseTransport, _Connection] = {}
        self.open: dict[asyncio.BaseTransport, _Connection] = {}
        self.stopping = False
        #: set while it stops, once nothing is open
        self.none_open = asyncio.Event()

    async def start(self) -> None:
        """Listen. Raises SettingsError where that cannot be: the port is taken, or the address not this machine's."""
        await self._runner.setup()
        handlers = self._runner.server
        assert handlers is not None
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self, handlers()), *self._address)
        except OSError as error:
            await self._runner.cleanup()
            raise self._refused(error) from error

    async def stop(self) -> None:
        """Listen no longer, let what is being answered end within the bounds, and close what is open then."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.waiting.values()):
            connection.abort()
        if self.open:  # aiohttp's own end reads no more of a body that is still coming
            with suppress(TimeoutError):
                await asyncio.wait_for(self.none_open.wait(), self.bounds.end_within)
        await self._runner.cleanup()
        for connection in list(self.open.values()):
            connection.abort()

    def _refused(self, error: OSError) -> SettingsError:
        host, port = self._address
        named_host, named_port = variable(f"{self._prefix}_host"), variable(f"{self._prefix}_port")
        if error.errno == errno.EADDRINUSE:
            return SettingsError(f"{named_port}={port} on {host} is taken: choose another one, or 0 for a free one")
        if error.errno in (errno.EACCES, errno.EPERM):
            return SettingsError(f"{named_port}={port}: this user may not open it: choose one from 1024 on")
        reason = error.strerror or str(error)
        return SettingsError(f"{named_host}={host}: {reason}: name an address of this machine, or 0.0.0.0")


_PORT: Final = web.AppKey("port", WebPort)


def answers_for_long(request: web.Request) -> None:
    """The answer to this request is a stream: it has no end that could be waited for."""
    connection = _connection(request)
    if connection is not None:
        connection.allow(None)


class _Connection(asyncio.Protocol):
    """One connection: what comes is counted and handed on to aiohttp's protocol."""

    def __init__(self, port: WebPort, inner: asyncio.Protocol) -> None:
        self._port = port
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head: bytes | None = b""
        self._body = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is one of the open ones, unless all of these are being answered."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._inner.connection_made(transport)
        if len(self._port.open) >= self._port.bounds.connections:
            next(iter(self._port.waiting.values()), self).abort()
        self._port.open[transport] = self
        self.wait()

    def data_received(self, data: bytes) -> None:
        """More of the request."""
        bounds = self._port.bounds
        if self._head is not None:
            head, end, body = (self._head + data).partition(_END_OF_HEADERS)
            if len(head) > bounds.head_bytes:
                self.abort()
                return
            if end:
                self.answer()
                self._body = len(body)
            else:
                self._head = head
        else:
            self._body += len(data)
        if bounds.body_bytes is not None and self._body > bounds.body_bytes:
            self.abort()
            return
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The other side sends no more."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._forget()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side is slow to read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._inner.resume_writing()

    def wait(self) -> None:
        """The next request may come."""
        self._head, self._body = b"", 0
        if self._transport in self._port.open:
            self._port.waiting[self._transport] = self
            self.allow(self._port.bounds.request_within)

    def answer(self) -> None:
        """A request's head has come: it is to be answered."""
        if self._head is not None:
            self._head = None
            if self._transport is not None:
                self._port.waiting.pop(self._transport, None)
            self.allow(self._port.bounds.answer_within)

    def abort(self) -> None:
        """Close it at once."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def allow(self, seconds: float | None) -> None:
        """Close it in so many seconds, and not before; None: it may stay."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.abort)

    def _forget(self) -> None:
        self.allow(None)
        if self._transport is not None:
            self._port.open.pop(self._transport, None)
            self._port.waiting.pop(self._transport, None)
        if self._port.stopping and not self._port.open:
            self._port.none_open.set()


@web.middleware
async def _each_request(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A request's time begins, and when it is answered that of the next one, if the connection may have one."""
    connection, port = _connection(request), request.app[_PORT]
    if connection is not None:
        connection.answer()
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.force_close()
        raise
    if not port.bounds.keep_alive or port.stopping:
        response.force_close()
    elif connection is not None:
        connection.wait()
    return response


def _connection(request: web.Request) -> _Connection | None:
    transport = request.transport
    return None if transport is None else request.app[_PORT].open.get(transport)
