"""Redis in batches: read many, and store a batch together with its watermark, or not at all.

One optimistic transaction a batch: WATCH the watermark and read everything in one round trip; MULTI, one MSET of
all changed records and the new watermark, EXEC in a second. A worker that lost its partition loses the compare.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

Value = bytes | None
Command = tuple[bytes, ...]


class Transaction:
    """One batch of one partition: ``read`` (as often as needed), then ``write`` once."""

    def __init__(self, connection: AbstractConnection, mark: bytes) -> None:
        self._connection = connection
        self._mark = mark
        self.watching = False

    async def read(self, keys: Sequence[bytes]) -> tuple[Value, list[Value]]:
        """The watermark's value and those of ``keys``; from the first call on, the watermark is watched."""
        commands: list[Command] = [(b"MGET", self._mark, *keys)]
        if not self.watching:
            commands.insert(0, (b"WATCH", self._mark))
            self.watching = True
        found = (await _round_trip(self._connection, commands))[-1]
        assert isinstance(found, list)
        return found[0], found[1:]

    async def write(self, mark: bytes, pairs: Sequence[bytes]) -> bool:
        """Store ``pairs`` (key, value, key, value, …) and the new watermark; False: it has moved meanwhile."""
        if not self.watching:
            await self.read([])
        mset = (b"MSET", self._mark, mark, *pairs)
        replies = await _round_trip(self._connection, [(b"MULTI",), mset, (b"EXEC",)])
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
            await _round_trip(self._connection, [(b"UNWATCH",)])
            self.watching = False


class Store:
    """Records in one Redis or Valkey server.

    Raises ``redis.exceptions.ConnectionError`` and ``TimeoutError`` when it does not answer; both are worth a retry.
    """

    def __init__(self, url: str, timeout_s: float = 5.0, ca: str = "") -> None:
        """``url``: redis://, rediss:// or unix://; ``ca``: certificate authority for rediss://."""
        tls = {"ssl_ca_certs": ca} if ca else {}
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, protocol=2, **tls
        )

    async def read(self, keys: Sequence[bytes]) -> list[Value]:
        """The values of ``keys`` in their order, None where there is none."""
        if not keys:
            return []
        async with self._connection() as connection:
            found = (await _round_trip(connection, [(b"MGET", *keys)]))[0]
        assert isinstance(found, list)
        return found

    @asynccontextmanager
    async def transaction(self, mark: bytes) -> AsyncIterator[Transaction]:
        """A transaction guarded by the watermark at key ``mark``."""
        async with self._connection() as connection:
            transaction = Transaction(connection, mark)
            yield transaction
            await transaction.close()

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Store each (key, value) for so many seconds."""
        if pairs:
            life = b"%d" % seconds
            async with self._connection() as connection:
                await _round_trip(connection, [(b"SET", k, v, b"EX", life) for k, v in pairs])

    async def ping(self) -> None:
        """Raise unless Redis answers."""
        async with self._connection() as connection:
            await _round_trip(connection, [(b"PING",)])

    async def empty(self) -> bool:
        """Whether the database holds no key at all."""
        async with self._connection() as connection:
            return (await _round_trip(connection, [(b"DBSIZE",)]))[0] == 0

    def client(self) -> Redis:
        """A redis-py client on the same connections, for operators' commands."""
        return Redis(connection_pool=self._pool)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.disconnect()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AbstractConnection]:
        connection: AbstractConnection = await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            yield connection
        except BaseException:
            # half a conversation may be in the socket, and a WATCH be left: never use it again
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self._pool.release(connection)


async def _round_trip(connection: AbstractConnection, commands: Sequence[Command]) -> list[object]:
    # packed by hiredis as it stands: the client's own way looks at the type of every key and value first
    packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]
    await connection.send_packed_command(packed, check_health=False)
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
