"""Redis in batches: read many, and store a batch together with its watermark, or not at all.

One optimistic transaction a batch: WATCH the watermark and read everything in one round trip; MULTI, one MSET of
all changed records and the new watermark, EXEC in a second. A worker that lost its partition loses the compare.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from state.layouts import NewerLayout, StoredValueError, UnreadableMark, UnreadableValue, packed, unpacked

StoredValue = bytes | None
Command = tuple[bytes, ...]
#: begins the key under which a value that could not be read is kept
BAD: Final = b"bad:"


#: told of a value that was kept aside: its key, and what is wrong with it
OnUnreadable: TypeAlias = Callable[[bytes, str], None]
#: told of a value that counts as absent, and why
LeaveOut: TypeAlias = Callable[[StoredValueError], None]


class Transaction:
    """One batch of one partition: ``read`` (as often as needed), then ``write`` once."""

    def __init__(self, store: Store, connection: AbstractConnection, mark: bytes) -> None:
        self._store = store
        self._connection = connection
        self._mark = mark
        self.watching = False

    async def read(self, names: Sequence[bytes]) -> tuple[StoredValue, list[StoredValue]]:
        """The watermark's payload and those of ``names``; from the first call on, the watermark is watched.

        Raises NewerLayout and UnreadableMark.
        """
        commands: list[Command] = [(b"MGET", self._mark, *names)]
        if not self.watching:
            commands.insert(0, (b"WATCH", self._mark))
            self.watching = True
        found = (await self._store.converse(self._connection, commands))[-1]
        assert isinstance(found, list)
        payloads = await self._store.payloads([self._mark, *names], found)
        return payloads[0], payloads[1:]

    async def write(self, mark: bytes, pairs: Sequence[bytes]) -> bool:
        """Store ``pairs`` (key, payload, key, payload, …) and the new watermark; False: it has moved meanwhile."""
        if not self.watching:
            await self.read([])
        values = [part for n in range(0, len(pairs), 2) for part in (pairs[n], packed(pairs[n], pairs[n + 1]))]
        mset = (b"MSET", self._mark, packed(self._mark, mark), *values)
        replies = await self._store.converse(self._connection, [(b"MULTI",), mset, (b"EXEC",)])
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
            await self._store.converse(self._connection, [(b"UNWATCH",)])
            self.watching = False


class Store:
    """Records in one Redis or Valkey server, their layouts' headers taken off and put on (``state.layouts``).

    Raises ``redis.exceptions.ConnectionError`` and ``TimeoutError`` when it does not answer; both are worth a retry.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 5.0,
        ca: str = "",
        on_unreadable: OnUnreadable = lambda key, reason: None,
        *,
        look_only: bool = False,
    ) -> None:
        """``url``: redis://, rediss:// or unix://; ``ca``: certificate authority for rediss://; ``look_only``: values
        that cannot be read stay where they are.
        """
        tls = {"ssl_ca_certs": ca} if ca else {}
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=timeout_s, protocol=2, **tls
        )
        # the pool's own check of a connection, each time it is taken, costs as much as a small command
        self._idle: list[AbstractConnection] = []
        self._timeout_s = timeout_s
        self._on_unreadable = on_unreadable
        self._look_only = look_only

    async def read(self, names: Sequence[bytes], leave_out: LeaveOut | None = None) -> list[StoredValue]:
        """The payloads of keys in their order, None where there is none.

        Raises NewerLayout and UnreadableMark; where ``leave_out`` is given, it is told instead, and the value absent.
        """
        if not names:
            return []
        async with self._connection() as connection:
            found = (await self.converse(connection, [(b"MGET", *names)]))[0]
        assert isinstance(found, list)
        return await self.payloads(names, found, leave_out)

    @asynccontextmanager
    async def transaction(self, mark: bytes) -> AsyncIterator[Transaction]:
        """A transaction guarded by the watermark at key ``mark``."""
        async with self._connection() as connection:
            transaction = Transaction(self, connection, mark)
            yield transaction
            await transaction.close()

    async def write(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Store each (key, payload), together."""
        if pairs:
            parts = [part for key, payload in pairs for part in (key, packed(key, payload))]
            async with self._connection() as connection:
                await self.converse(connection, [(b"MSET", *parts)])

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Store each (key, payload) for so many seconds."""
        if pairs:
            life = b"%d" % seconds
            async with self._connection() as connection:
                sets: list[Command] = [(b"SET", k, packed(k, v), b"EX", life) for k, v in pairs]
                await self.converse(connection, sets)

    async def spoil(self, key: bytes, payload: StoredValue, reason: str) -> None:
        """Keep a value that turned out to be unusable under ``bad:`` and its key; it counts as absent from now on.

        ``payload``: as it was read; a value that has another by now stays.
        """
        async with self._connection() as connection:
            (found,) = await self.converse(connection, [(b"MGET", key)])
        assert isinstance(found, list)
        if found[0] is not None and await self.payloads([key], found) == [payload]:
            await self._keep_aside(key, found[0], reason)

    async def payloads(
        self, names: Sequence[bytes], values: Sequence[StoredValue], leave_out: LeaveOut | None = None
    ) -> list[StoredValue]:
        """The payloads of stored values; what is none of its layout is kept aside and absent."""
        payloads: list[StoredValue] = []
        for name, value in zip(names, values, strict=True):
            payload = None
            try:
                payload = None if value is None else unpacked(name, value)
            except UnreadableValue as error:
                try:
                    await self._keep_aside(name, value, error.reason)
                except ResponseError:
                    if leave_out is None:
                        raise
                    leave_out(error)
            except (NewerLayout, UnreadableMark) as error:
                if leave_out is None:
                    raise
                leave_out(error)
            payloads.append(payload)
        return payloads

    async def _keep_aside(self, key: bytes, value: StoredValue, reason: str) -> None:
        """Move a value under ``bad:`` and its key, unless it has changed meanwhile."""
        if self._look_only:
            return
        assert value is not None
        async with self._connection() as connection:
            _, found = await self.converse(connection, [(b"WATCH", key), (b"MGET", key)])
            if found != [value]:
                await self.converse(connection, [(b"UNWATCH",)])
                return
            kept = (b"SET", BAD + key, value)
            moved = (await self.converse(connection, [(b"MULTI",), kept, (b"DEL", key), (b"EXEC",)]))[-1]
        if moved is not None:
            self._on_unreadable(key, reason)

    async def converse(self, connection: AbstractConnection, commands: Sequence[Command]) -> list[object]:
        """Send commands in one go, and read their replies."""
        return await _round_trip(connection, commands, self._timeout_s)

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
