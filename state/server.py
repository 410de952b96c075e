"""One Redis server: connections that are kept, and whole conversations over them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

StoredValue: TypeAlias = bytes | None
Command: TypeAlias = tuple[bytes, ...]


class Talk:
    """A conversation over one connection: what was watched in one round trip is so in the next."""

    __slots__ = ("_connection", "_timeout_s")

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def say(self, commands: Sequence[Command]) -> list[object]:
        """Send commands in one go, and read their replies. Raises the first that is an error."""
        replies = await self.ask(commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def ask(self, commands: Sequence[Command]) -> list[object]:
        """The same, with errors among the replies. One clock for the whole, not one for each send and reply."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await _exchange(self._connection, commands)
        except TimeoutError as error:
            raise RedisTimeoutError(f"Redis did not answer within {self._timeout_s} s") from error


class OneServer:
    """All keys on one server, or on the master that Sentinels name."""

    def __init__(self, pool: ConnectionPool, timeout_s: float) -> None:
        self._pool = pool
        # the pool's own check of a connection, each time it is taken, costs as much as a small command
        self._idle: list[AbstractConnection] = []
        self._timeout_s = timeout_s

    async def values(self, names: Sequence[bytes]) -> list[StoredValue]:
        """What keys hold, in their order."""
        async with self.conversation() as talk:
            return listed((await talk.say([(b"MGET", *names)]))[0])

    async def each(self, commands: Sequence[Command]) -> None:
        """Send commands that each name their key second. Raises the first error, after all are done."""
        async with self.conversation() as talk:
            await talk.say(commands)

    async def everywhere(self, command: Command) -> list[object]:
        """The reply of every server that holds keys: of this one."""
        async with self.conversation() as talk:
            return await talk.say([command])

    async def ping(self) -> None:
        """Raise unless Redis answers."""
        await self.everywhere((b"PING",))

    async def clients(self) -> Mapping[str, Redis]:
        """A redis-py client on the same connections, for operators' commands; it has no name beside others."""
        return {"": Redis(connection_pool=self._pool)}

    async def close(self) -> None:
        """Close all connections."""
        self._idle.clear()
        await self._pool.disconnect()

    async def close_idle(self) -> None:
        """Close the connections that nobody uses now."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await self._let_go(connection)

    async def _let_go(self, connection: AbstractConnection) -> None:
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)

    async def _kept(self) -> AbstractConnection | None:
        """A connection that was used before and is still open, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            reader = connection._reader
            if reader is not None and not reader.at_eof():
                return connection
            await self._let_go(connection)
        return None

    async def _opened(self) -> AbstractConnection:
        """A new connection that knows its user and database. A server may take it and then say nothing."""
        try:
            async with asyncio.timeout(self._timeout_s):
                connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
                return connection
        except TimeoutError as error:
            raise RedisTimeoutError(f"Redis did not answer within {self._timeout_s} s") from error

    @asynccontextmanager
    async def conversation(self, key: bytes = b"") -> AsyncIterator[Talk]:
        """A conversation about ``key``, wherever that is."""
        connection = await self._kept() or await self._opened()
        try:
            yield Talk(connection, self._timeout_s)
        except BaseException:
            # half a conversation may be in the socket, and a WATCH be left: never use it again
            await self._let_go(connection)
            raise
        self._idle.append(connection)


def listed(reply: object) -> list[StoredValue]:
    """The reply to MGET. Raises it, if it is an error."""
    if isinstance(reply, ResponseError):
        raise reply
    assert isinstance(reply, list)
    return reply


async def _exchange(connection: AbstractConnection, commands: Sequence[Command]) -> list[object]:
    await connection.send_packed_command([packed_command(command) for command in commands], check_health=False)
    replies: list[object] = []
    for _ in commands:
        try:
            replies.append(await connection.read_response())
        except ResponseError as error:
            # the replies that follow belong to this conversation, too
            replies.append(error)
    return replies


def packed_command(command: Command) -> bytes:
    """A command as it travels. One join: hiredis grows its buffer as it goes, ten times as long for a megabyte.

    >>> packed_command((b"GET", b"key"))
    b'*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n'
    """
    parts = [b"*%d" % len(command)]
    for part in command:
        parts += b"$%d" % len(part), part
    parts.append(b"")
    return b"\r\n".join(parts)
