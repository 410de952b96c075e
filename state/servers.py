"""What the store asks of Redis, and which of its forms a URL means: one server, Sentinel's master, a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from state.addresses import Address, Node, address_of
from state.cluster import Cluster
from state.server import Command, OneServer, StoredValue

#: of redis-py's connections
Options: TypeAlias = dict[str, Any]


class Conversation(Protocol):
    """Several round trips over one connection."""

    async def say(self, commands: Sequence[Command]) -> list[object]:
        """Send commands in one go, and read their replies. Raises the first that is an error."""


class Servers(Protocol):
    """The servers that hold the keys between them."""

    async def values(self, names: Sequence[bytes]) -> list[StoredValue]:
        """What keys hold, in their order."""

    async def each(self, commands: Sequence[Command]) -> None:
        """Send commands that each name their key second. Raises the first error, after all are done."""

    def conversation(self, key: bytes) -> AbstractAsyncContextManager[Conversation]:
        """A conversation about keys that lie where ``key`` does."""

    async def everywhere(self, command: Command) -> list[object]:
        """The reply of every server that holds keys."""

    async def ping(self) -> None:
        """Raise unless all of them answer."""

    async def clients(self) -> Mapping[str, Redis]:
        """A redis-py client for each of them, by its address; without one where there is but one server."""

    async def close(self) -> None:
        """Close all connections."""


def open_servers(url: str, timeout_s: float, ca: str) -> Servers:
    """The servers of a URL; nothing is connected yet. Raises ValueError for a URL that is none."""
    address = address_of(url)
    if address.kind == "server":
        tls = {"ssl_ca_certs": ca} if ca else {}
        pool: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=None, socket_connect_timeout=timeout_s, protocol=2, **tls
        )
        return OneServer(pool, timeout_s)
    if address.kind == "sentinel":
        return _Watched(address, timeout_s, ca)

    def pool_of(node: Node) -> ConnectionPool:
        tls: Options = {"ssl_ca_certs": ca or None} if address.tls else {}
        return ConnectionPool(
            connection_class=SSLConnection if address.tls else Connection,
            host=node[0], port=node[1], **_account(address, timeout_s), **tls,
        )  # fmt: skip

    return Cluster(address.hosts, pool_of, timeout_s)


class _Watched(OneServer):
    """The master that Sentinels name, found anew by each new connection."""

    def __init__(self, address: Address, timeout_s: float, ca: str) -> None:
        tls: Options = {"ssl": True, "ssl_ca_certs": ca or None} if address.tls else {}
        asking = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "retry": Retry(NoBackoff(), 0)}
        self._sentinel = Sentinel(address.hosts, sentinel_kwargs={**asking, **tls})  # type: ignore[no-untyped-call]
        options = {"db": address.database, **_account(address, timeout_s), **tls}
        pool = SentinelConnectionPool(address.service, self._sentinel, **options)  # type: ignore[no-untyped-call]
        super().__init__(pool, timeout_s)

    async def close(self) -> None:
        """Close all connections, those to Sentinels too."""
        await super().close()
        for client in self._sentinel.sentinels:
            await client.aclose()


def _account(address: Address, timeout_s: float) -> Options:
    """How to connect to any server of an address."""
    return {
        "username": address.username, "password": address.password, "protocol": 2,
        "socket_timeout": None, "socket_connect_timeout": timeout_s,
    }  # fmt: skip
