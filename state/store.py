"""Redis in batches: read many, and store a batch together with its watermark, or not at all.

One optimistic transaction a batch: WATCH the watermark and read everything in one round trip; MULTI, one MSET of
all changed records and the new watermark, EXEC in a second. A worker that lost its partition loses the compare.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from state import keys
from state.layouts import NewerLayout, StoredValueError, UnreadableMark, UnreadableValue, packed, unpacked
from state.server import Command, StoredValue, listed
from state.servers import Conversation, open_servers

#: begins the key under which a value that could not be read is kept
BAD: Final = b"bad:"


#: told of a value that was kept aside: its key, and what is wrong with it
OnUnreadable: TypeAlias = Callable[[bytes, str], None]
#: told of a value that counts as absent, and why
LeaveOut: TypeAlias = Callable[[StoredValueError], None]


class Transaction:
    """One batch of one partition: ``read`` (as often as needed), then ``write`` once."""

    def __init__(self, store: Store, conversation: Conversation, mark: bytes) -> None:
        """``mark``: the watermark's key as it stands in Redis."""
        self._store = store
        self._conversation = conversation
        self._mark = mark
        self.watching = False

    async def read(self, names: Sequence[bytes]) -> tuple[StoredValue, list[StoredValue]]:
        """The watermark's payload and those of ``names``; from the first call on, the watermark is watched.

        Raises NewerLayout and UnreadableMark.
        """
        wanted = [self._mark, *self._store.in_shop(names)]
        commands: list[Command] = [(b"MGET", *wanted)]
        if not self.watching:
            commands.insert(0, (b"WATCH", self._mark))
            self.watching = True
        found = listed((await self._conversation.say(commands))[-1])
        payloads = await self._store.payloads(wanted, found)
        return payloads[0], payloads[1:]

    async def write(self, mark: bytes, pairs: Sequence[bytes]) -> bool:
        """Store ``pairs`` (key, payload, key, payload, …) and the new watermark; False: it has moved meanwhile."""
        if not self.watching:
            await self.read([])
        names = self._store.in_shop(pairs[::2])
        values = [part for key, payload in zip(names, pairs[1::2], strict=True) for part in (key, packed(key, payload))]
        mset = (b"MSET", self._mark, packed(self._mark, mark), *values)
        replies = await self._conversation.say([(b"MULTI",), mset, (b"EXEC",)])
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
            await self._conversation.say([(b"UNWATCH",)])
            self.watching = False


class Store:
    """Records in Redis or Valkey, their layouts' headers taken off and put on (``state.layouts``).

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
        shop: str = "",
    ) -> None:
        """``url``: as ``state.addresses`` reads it; ``ca``: certificate authority for TLS; ``look_only``: values that
        cannot be read stay where they are; ``shop``: all keys are those of this shop, and no other is seen.

        Callers name keys as ``state.keys`` does; errors, and what ``on_unreadable`` is told, as they stand in Redis.
        """
        self._shop = shop
        self._timeout_s = timeout_s
        self._servers = open_servers(url, timeout_s, ca)
        self._on_unreadable = on_unreadable
        self._look_only = look_only

    async def read(self, names: Sequence[bytes], leave_out: LeaveOut | None = None) -> list[StoredValue]:
        """The payloads of keys in their order, None where there is none.

        Raises NewerLayout and UnreadableMark; where ``leave_out`` is given, it is told instead, and the value absent.
        """
        if not names:
            return []
        wanted = self.in_shop(names)
        return await self.payloads(wanted, await self._servers.values(wanted), leave_out)

    def in_shop(self, names: Sequence[bytes]) -> Sequence[bytes]:
        """Keys as they stand in Redis."""
        return keys.in_shop(self._shop, names)

    async def names(self, kind: bytes) -> AsyncIterator[bytes]:
        """Every key of a kind, as ``state.keys`` names it, in no order; those that come meanwhile may be among them."""
        (before,) = self.in_shop([kind + b":"])
        async for stands in self._matching(before + b"*"):
            name = keys.of_shop(self._shop, stands)
            if name.partition(b"{")[2].partition(b"}")[0].isdigit():  # else it is of a shop that is called as a kind is
                yield name

    async def _matching(self, pattern: bytes) -> AsyncIterator[bytes]:
        for client in (await self._servers.clients()).values():
            cursor = -1
            while cursor:
                async with asyncio.timeout(self._timeout_s):
                    cursor, found = await client.scan(max(cursor, 0), match=pattern, count=10_000)
                for name in found:
                    yield name if isinstance(name, bytes) else name.encode()

    @asynccontextmanager
    async def transaction(self, mark: bytes) -> AsyncIterator[Transaction]:
        """A transaction guarded by the watermark at key ``mark``."""
        (mark,) = self.in_shop([mark])
        async with self._servers.conversation(mark) as conversation:
            transaction = Transaction(self, conversation, mark)
            yield transaction
            await transaction.close()

    async def write(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Store each (key, payload)."""
        if pairs:
            await self._servers.each([(b"SET", key, packed(key, payload)) for key, payload in self._named(pairs)])

    async def write_expiring(self, pairs: Sequence[tuple[bytes, bytes]], seconds: int) -> None:
        """Store each (key, payload) for so many seconds."""
        if pairs:
            life = b"%d" % seconds
            named = self._named(pairs)
            await self._servers.each([(b"SET", key, packed(key, value), b"EX", life) for key, value in named])

    def _named(self, pairs: Sequence[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        """Pairs of (key, payload) with their keys as they stand in Redis."""
        return zip(self.in_shop([key for key, _ in pairs]), (payload for _, payload in pairs), strict=True)

    async def spoil(self, key: bytes, payload: StoredValue, reason: str) -> None:
        """Keep a value that turned out to be unusable under ``bad:`` and its key; it counts as absent from now on.

        ``payload``: as it was read; a value that has another by now stays.
        """
        (key,) = self.in_shop([key])
        found = await self._servers.values([key])
        if found[0] is not None and await self.payloads([key], found) == [payload]:
            await self._keep_aside(key, found[0], reason)

    async def payloads(
        self, names: Sequence[bytes], values: Sequence[StoredValue], leave_out: LeaveOut | None = None
    ) -> list[StoredValue]:
        """The payloads of values stored at keys as they stand in Redis; what is none of its layout is kept aside and
        absent.
        """
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
        async with self._servers.conversation(key) as conversation:
            _, found = await conversation.say([(b"WATCH", key), (b"MGET", key)])
            if found != [value]:
                await conversation.say([(b"UNWATCH",)])
                return
            (place,) = self.in_shop([BAD + keys.of_shop(self._shop, key)])
            kept = (b"SET", place, value)
            moved = (await conversation.say([(b"MULTI",), kept, (b"DEL", key), (b"EXEC",)]))[-1]
        if moved is not None:
            self._on_unreadable(key, reason)

    async def ping(self) -> None:
        """Raise unless Redis answers, all of it."""
        await self._servers.ping()

    async def empty(self) -> bool:
        """Whether there is no key at all; of a shop, none of its own."""
        if not self._shop:
            return not any(await self._servers.everywhere((b"DBSIZE",)))
        async for _ in self._own():
            return False
        return True

    def _own(self) -> AsyncIterator[bytes]:
        """Every key of the shop, as it stands in Redis."""
        return self._matching(f"{self._shop}:*".encode())

    async def flush(self) -> None:
        """Remove all keys; of a shop, its own."""
        if not self._shop:
            await self._servers.everywhere((b"FLUSHDB",))
            return
        await self._servers.each([(b"UNLINK", name) async for name in self._own()])

    async def try_writing(self, names: Sequence[bytes]) -> None:
        """Raise unless keys that are not there could be written; they are not."""
        await self._servers.each([(b"SET", key, b"", b"XX") for key in self.in_shop(names)])

    async def clients(self) -> Mapping[str, Redis]:
        """A redis-py client for each server that holds keys, by its address, for operators' commands."""
        return await self._servers.clients()

    async def close(self) -> None:
        """Close all connections."""
        await self._servers.close()
