"""A worker's web port: one request a connection, and bounds on connections, bytes and time before any is handled.

Who opens connections and sends nothing, or a byte now and then, holds none of them for long and keeps nobody out.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web

from streamrank_client.errors import SettingsError
from streamrank_client.settings import variable

__all__ = ["ANSWER_WITHIN_S", "HEADERS_WITHIN_S", "MOST_BYTES", "MOST_CONNECTIONS", "WebPort"]

#: open connections; the one that has waited longest for its request gives way to a new one
MOST_CONNECTIONS: Final = 64
#: what a request may have in all, in bytes; pages take no body
MOST_BYTES: Final = 32 << 10
#: seconds in which a request's headers must have come, and in which it must be answered from then on
HEADERS_WITHIN_S: Final = 5.0
ANSWER_WITHIN_S: Final = 60.0
_END_OF_HEADERS: Final = b"\r\n\r\n"


class WebPort:
    """Serves an application of aiohttp on a host and port."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._address = host, port
        app.middlewares.append(_one_request)
        self._runner = web.AppRunner(app, access_log=None, lingering_time=1.0, shutdown_timeout=1.0)
        self._server: asyncio.Server | None = None
        #: oldest first; those whose request has not come whole, and all
        self.waiting: dict[_Connection, None] = {}
        self.open: set[_Connection] = set()

    async def start(self) -> None:
        """Listen. Raises SettingsError where the port is taken, or the address is none of this machine."""
        await self._runner.setup()
        handlers = self._runner.server
        assert handlers is not None
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self, handlers()), *self._address)
        except OSError as error:
            raise _refused(error, *self._address) from error

    async def stop(self) -> None:
        """Listen no longer, and end what is open."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()
        for connection in list(self.open):
            connection.abort()


def _refused(error: OSError, host: str, port: int) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(
            f"{variable('web_port')}={port} on {host} is taken: choose another one, or 0 for a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return SettingsError(f"{variable('web_port')}={port}: this user may not open it: choose one from 1024 on")
    reason = error.strerror or str(error)
    return SettingsError(f"{variable('web_host')}={host}: {reason}: name an address of this machine, or 0.0.0.0")


class _Connection(asyncio.Protocol):
    """One connection: what comes is counted and handed on to aiohttp's protocol."""

    def __init__(self, port: WebPort, inner: asyncio.Protocol) -> None:
        self._port = port
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._head: bytes | None = b""
        self._bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is one of the open ones, unless all of these are being answered."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class
        self._inner.connection_made(transport)
        if len(self._port.open) >= MOST_CONNECTIONS:
            next(iter(self._port.waiting), self).abort()
        self._port.open.add(self)
        self._port.waiting[self] = None
        self._allow(HEADERS_WITHIN_S)

    def data_received(self, data: bytes) -> None:
        """More of the request."""
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            self.abort()
            return
        if self._head is not None:
            self._head += data
            if _END_OF_HEADERS in self._head:
                self._head = None
                self._port.waiting.pop(self, None)
                self._allow(ANSWER_WITHIN_S)
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

    def abort(self) -> None:
        """Close it at once."""
        self._forget()
        if self._transport is not None:
            self._transport.abort()

    def _allow(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._port.open.discard(self)
        self._port.waiting.pop(self, None)


@web.middleware
async def _one_request(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The connection ends with its first answer."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.force_close()
        raise
    response.force_close()
    return response
