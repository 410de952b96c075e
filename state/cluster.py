"""A Redis Cluster: which master serves a slot, and what to do while slots and masters move.

Reads go to all their masters at once, each in one round trip. A key that has moved is asked for where it went; a
transaction is not repeated here, since what it read may be stale: its driver does the batch again.
"""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from state.addresses import Node
from state.server import Command, OneServer, StoredValue, Talk, listed

T = TypeVar("T")

SLOTS: Final = 16_384
#: how often a command follows its key before it counts as failed for now
MOST_MOVES: Final = 6


def slot_of(key: bytes) -> int:
    """The slot of a key: that of the text in its first braces, where there is any.

    >>> slot_of(b"ctx:{3}:u1") == slot_of(b"imp:{3}:{9}") == slot_of(b"3")
    True
    """
    start = key.find(b"{") + 1
    end = key.find(b"}", start) if start else -1
    return _slot(key[start:end] if end > start else key)


@lru_cache(4_096)
def _slot(tag: bytes) -> int:
    return crc_hqx(tag, 0) % SLOTS


class SlotTalk:
    """A conversation with the master of a slot; that it is not there any more counts as a lost connection."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    async def say(self, commands: Sequence[Command]) -> list[object]:
        """Send commands in one go, and read their replies. Raises the first that is an error."""
        try:
            return await self._talk.say(commands)
        except (AskError, TryAgainError, ClusterDownError) as error:
            raise _passing(error) from error


class Cluster:
    """All keys on the masters of a cluster, by their slots."""

    def __init__(self, seeds: Sequence[Node], pool: Callable[[Node], ConnectionPool], timeout_s: float) -> None:
        """``seeds``: some of its nodes; ``pool`` makes the connections to one."""
        self._pool = pool
        self._timeout_s = timeout_s
        self._seeds = tuple(seeds)
        #: every node that may know the map; whoever was asked last comes last
        self._known: dict[Node, None] = dict.fromkeys(seeds)
        self._servers: dict[Node, OneServer] = {}
        self._owners: list[Node | None] = [None] * SLOTS
        self._stale = True
        self._reading = asyncio.Lock()

    async def values(self, names: Sequence[bytes]) -> list[StoredValue]:
        """What keys hold, in their order."""
        by_slot: dict[int, list[int]] = {}
        for n, name in enumerate(names):
            by_slot.setdefault(slot_of(name), []).append(n)
        replies = await self._replies([(b"MGET", *(names[n] for n in share)) for share in by_slot.values()])
        values: list[StoredValue] = [None] * len(names)
        torn: list[int] = []
        for share, reply in zip(by_slot.values(), replies, strict=True):
            if isinstance(reply, TryAgainError):  # the slot is on its way: some of its keys are here, some are there
                torn += share
            else:
                for n, value in zip(share, listed(reply), strict=True):
                    values[n] = value
        if torn:
            alone = await self._replies([(b"MGET", names[n]) for n in torn])
            for n, reply in zip(torn, alone, strict=True):
                (values[n],) = listed(reply)
        return values

    async def each(self, commands: Sequence[Command]) -> None:
        """Send commands that each name their key second. Raises the first error, after all are done."""
        for reply in await self._replies(commands):
            if isinstance(reply, ResponseError):
                raise reply

    @asynccontextmanager
    async def conversation(self, key: bytes) -> AsyncIterator[SlotTalk]:
        """A conversation with the master of a key's slot."""
        await self._learn_if_stale()
        node = self._owner(slot_of(key))
        try:
            async with self._server(node).conversation() as talk:
                yield SlotTalk(talk)
        except (RedisError, OSError):
            self._stale = True
            raise

    async def everywhere(self, command: Command) -> list[object]:
        """The reply of every master. Raises the first that is an error."""
        await self._learn_if_stale()
        replies = [reply for (reply,) in await _all([self._ask(node, [command]) for node in self._masters()])]
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def ping(self) -> None:
        """Learn the map again. Raises unless all slots are served, and every master answers and finds it so."""
        await self._learn()
        missing = self._owners.count(None)
        if missing:
            raise RedisConnectionError(f"no node of the cluster serves {missing} of {SLOTS} slots")
        for said in await self.everywhere((b"CLUSTER", b"INFO")):
            assert isinstance(said, bytes)
            if b"cluster_state:ok" not in said:
                raise RedisConnectionError("the cluster is down: see CLUSTER INFO")

    async def clients(self) -> Mapping[str, Redis]:
        """A redis-py client for each master, by its address, for operators' commands."""
        await self._learn_if_stale()
        return {f"{node[0]}:{node[1]}": (await self._server(node).clients())[""] for node in self._masters()}

    async def close(self) -> None:
        """Close all connections."""
        for server in list(self._servers.values()):
            await server.close()

    # ---- commands that follow their keys

    async def _replies(self, commands: Sequence[Command]) -> list[object]:
        """The reply to each command, which names its key second; errors that do not pass are among them."""
        await self._learn_if_stale()
        slots = [slot_of(command[1]) for command in commands]
        nodes = [self._owner(slot) for slot in slots]
        asking = [False] * len(commands)
        replies: list[object] = [None] * len(commands)
        waiting = list(range(len(commands)))
        for _ in range(MOST_MOVES):
            shares: dict[Node, list[int]] = {}
            for n in waiting:
                shares.setdefault(nodes[n], []).append(n)
            said = await _all([self._share(node, share, commands, asking) for node, share in shares.items()])
            moved: list[int] = []
            for (node, share), answers in zip(shares.items(), said, strict=True):
                for n, reply in zip(share, answers, strict=True):
                    replies[n] = reply
                    if isinstance(reply, AskError):
                        nodes[n] = (reply.host if reply.host not in ("", "?") else node[0], reply.port)
                        asking[n] = not isinstance(reply, MovedError)
                        if not asking[n]:
                            self._owners[slots[n]] = nodes[n]
                        moved.append(n)
                    elif isinstance(reply, ClusterDownError):
                        self._stale = True
                        raise _passing(reply) from reply
            if not moved:
                return replies
            waiting = moved
        raise RedisConnectionError(f"slot {slots[waiting[0]]} of the cluster is moving: no node serves it just now")

    async def _share(
        self, node: Node, share: Sequence[int], commands: Sequence[Command], asking: Sequence[bool]
    ) -> list[object]:
        """One node's replies to its share of the commands; those of a slot that is still coming to it are announced."""
        sent: list[Command] = []
        for n in share:
            sent += [(b"ASKING",), commands[n]] if asking[n] else [commands[n]]
        replies = iter(await self._ask(node, sent))
        return [next(replies) if not asking[n] else (next(replies), next(replies))[1] for n in share]

    async def _ask(self, node: Node, commands: Sequence[Command]) -> list[object]:
        try:
            async with self._server(node).conversation() as talk:
                return await talk.ask(commands)
        except (RedisError, OSError):
            self._stale = True
            raise

    # ---- the map of slots

    def _masters(self) -> list[Node]:
        return list(dict.fromkeys(node for node in self._owners if node is not None))

    def _server(self, node: Node) -> OneServer:
        server = self._servers.get(node)
        if server is None:
            server = self._servers[node] = OneServer(self._pool(node), self._timeout_s)
        return server

    def _owner(self, slot: int) -> Node:
        node = self._owners[slot]
        if node is None:
            self._stale = True
            raise RedisConnectionError(f"no node of the cluster serves slot {slot}")
        return node

    async def _learn_if_stale(self) -> None:
        if self._stale:
            async with self._reading:
                if self._stale:
                    await self._learn()

    async def _learn(self) -> None:
        """Ask node after node for the map, masters first, until one tells it; each time it is another one's turn."""
        failed: list[str] = []
        masters = set(self._masters())
        for node in sorted(self._known, key=lambda node: node not in masters):
            self._known[node] = self._known.pop(node)
            try:
                (said,) = await self._ask(node, [(b"CLUSTER", b"SLOTS")])
            except (RedisError, OSError) as error:
                said = error
            if isinstance(said, list) and said:
                await self._take(node, said)
                return
            failed.append(f"{node[0]}:{node[1]}: {said or 'it knows no slots'}")
        raise RedisConnectionError(f"no node tells the slots of the cluster ({'; '.join(failed)})")

    async def _take(self, asked: Node, ranges: Sequence[Sequence[object]]) -> None:
        owners: list[Node | None] = [None] * SLOTS
        named: dict[Node, None] = {}
        for first, last, *nodes in ranges:
            assert isinstance(first, int)
            assert isinstance(last, int)
            found = [_named(node, asked) for node in nodes]
            owners[first : last + 1] = [found[0]] * (last + 1 - first)
            named |= dict.fromkeys(found)
        self._owners, self._stale = owners, False
        told = {**named, **dict.fromkeys(self._seeds)}
        self._known = {node: None for node in [*self._known, *told] if node in told}
        masters = set(owners)
        for node, server in list(self._servers.items()):
            if node not in masters:
                await server.close_idle()


def _named(node: object, asked: Node) -> Node:
    """A node as CLUSTER SLOTS tells of it; one that does not know its own host is where it was asked."""
    assert isinstance(node, list)
    host, port = node[0], node[1]
    assert isinstance(port, int)
    return (host.decode() if isinstance(host, bytes) and host not in (b"", b"?") else asked[0]), port


def _passing(error: ResponseError) -> RedisConnectionError:
    """A cluster's way of saying that something will be served in a while."""
    return RedisConnectionError(f"the cluster serves this again in a while: {type(error).__name__} {error}")


async def _all(work: Sequence[Awaitable[T]]) -> list[T]:
    """All results, once all have ended. Raises the first error."""
    if len(work) == 1:
        return [await work[0]]
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found  # type: ignore[return-value]
