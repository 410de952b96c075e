"""Redis in batches: read many, and store a batch together with its watermark, or not at all.

One optimistic transaction a batch: WATCH the watermark and read everything in one round trip; MULTI, one MSET of
all changed records and the new watermark, EXEC in a second. A worker that lost its partition loses the compare.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

StoredValue = bytes | None
Command = tuple[bytes, ...]


class Transaction:
    """One batch of one partition: ``read`` (as often as needed), then ``write`` once."""

    def __init__(self, connection: AbstractConnection, mark: bytes, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._mark = mark
        self.watching = False

    async def read(self, keys: Sequence[bytes]) -> tuple[StoredValue, list[StoredValue]]:
        """The watermark's value and those of ``keys``; from the first call on, the watermark is watched."""
        commands: list[Command] = [(b"MGET", self._mark, *keys)]
        if not self.watching:
            commands.insert(0, (b"WATCH", self._mark))
            self.watching = True
        found = (await _round_trip(self._connection, commands, self._timeout_s))[-1]
        assert isinstance(found, list)
        return found[0], found[1:]

    async def write(self, mark: bytes, pairs: Sequence[bytes]) -> bool:
        """Store ``pairs`` (key, value, key, value, …) and the new watermark; False: it has moved meanwhile."""
        if not self.watching:
            await self.read([])
        mset = (b"MSET", self._mark, mark, *pairs)
        replies = await _round_trip(self._connection, [(b"MULTI",), mset, (b"EXEC",)], self._timeout_s)
        self.watching = False
        done = replies[-1]
        if isinstance(done, list):
            for reply in done:  # what fails only while the transaction runs is told inside its reply
                if isinstance(reply, ResponseError):
                    raise reply
        return done is not None

    async def close(self) -> None:
        """Stop watching."""
        if self.watching:
            await _round_trip(self._connection, [(b"UNWATCH",)], self._timeout_s)
            self.watching = False


class Store:
    """Records in one Redis or Valkey server.

    Raises ``redis.exceptions.ConnectionError`` and ``TimeoutError`` when it does not answer; both are worth a retry.
    """

    def __init__(self, url: str, timeout_s: float = 5.0, ca: str = "") -> None:
        """``url``: redis://, rediss:// or unix://; ``ca``: certificate authority for rediss://."""
        tls = {"ssl_ca_certs": ca} if ca else {}
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=timeout_s, protocol=2, **tls
        )
        # the pool's own check of a connection, each time it is taken, costs as much as a small command
        self._idle: list[AbstractConnection] = []
        self._timeout_s = timeout_s

    async def read(self, keys: Sequence[bytes]) -> list[StoredValue]:
        """The values of ``keys`` in their order, None where there is none."""
        if not keys:
            return []
        async with self._connection() as connection:
            found = (await _round_trip(connection, [(b"MGET", *keys)], self._timeout_s))[0]
        assert isinstance(found, list)
        return found

    @asynccontextmanager
    async def transaction(self, mark: bytes) -> AsyncIterator[Transaction]:
        """A transaction guarded by the watermark at key ``mark``."""
        async with self._connection() as connection:
            transaction = Transaction(connection, mark, self._timeout_s)
            yield transaction
            await transaction.close()

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Store each (key, value) for so many seconds."""
        if pairs:
            life = b"%d" % seconds
            async with self._connection() as connection:
                sets: list[Command] = [(b"SET", k, v, b"EX", life) for k, v in pairs]
                await _round_trip(connection, sets, self._timeout_s)

    async def ping(self) -> None:
        """Raise unless Redis answers."""
        async with self._connection() as connection:
            await _round_trip(connection, [(b"PING",)], self._timeout_s)

    async def empty(self) -> bool:
        """Whether the database holds no key at all."""
        async with self._connection() as connection:
            return (await _round_trip(connection, [(b"DBSIZE",)], self._timeout_s))[0] == 0

    def client(self) -> Redis:
        """A redis-py client on the same connections, for operators' commands."""
        return Redis(connection_pool=self._pool)

    async def close(self) -> None:
        """Close all connections."""
        self._idle.clear()
        await self._pool.disconnect()

    async def _kept(self) -> AbstractConnection | None:
        """A connection that was used before and is still open, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            reader = connection._reader
            if reader is not None and not reader.at_eof():
                return connection
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        return None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AbstractConnection]:
        connection: AbstractConnection
        connection = await self._kept() or await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            yield connection
        except BaseException:
            # half a conversation may be in the socket, and a WATCH be left: never use it again
            await connection.disconnect(nowait=True)
            await self._pool.release(connection)
            raise
        self._idle.append(connection)


async def _round_trip(connection: AbstractConnection, commands: Sequence[Command], timeout_s: float) -> list[object]:
    """Send the commands and read their replies; one clock for the whole, not one for each send and reply."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _converse(connection, commands)
    except TimeoutError as error:
        raise RedisTimeoutError(f"Redis did not answer within {timeout_s} s") from error


async def _converse(connection: AbstractConnection, commands: Sequence[Command]) -> list[object]:
    await connection.send_packed_command([_packed(command) for command in commands], check_health=False)
    replies: list[object] = []
    failed: ResponseError | None = None
    for _ in commands:
        try:
            replies.append(await connection.read_response())
        except ResponseError as error:
            # the replies that follow belong to this conversation: read them all before raising
            failed = failed or error
    if failed:
        raise failed
    return replies


def _packed(command: Command) -> bytes:
    """A command as it travels. One join: hiredis grows its buffer as it goes, ten times as long for a megabyte.

    >>> _packed((b"GET", b"key"))
    b'*2\\r\\n$3\\r\\nGET\\r\\n$3\\r\\nkey\\r\\n'
    """
    parts = [b"*%d" % len(command)]
    for part in command:
        parts += b"$%d" % len(part), part
    parts.append(b"")
    return b"\r\n".join(parts)
