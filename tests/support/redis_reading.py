"""What Redis holds, looked up by redis-py's own clients: of one server, of Sentinel's master, of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis
from redis.cluster import ClusterNode
from redis.sentinel import Sentinel

from state.addresses import Address, address_of


class Look:
    """Reads keys."""

    def __init__(self, client: redis.Redis | redis.RedisCluster) -> None:
        self._client = client

    def names(self, pattern: str) -> Iterator[bytes]:
        """The keys that match."""
        yield from self._client.scan_iter(pattern, 1000)

    def values(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What keys hold."""
        if not names:
            return []
        if isinstance(self._client, redis.RedisCluster):
            return list(self._client.mget_nonatomic(names))
        return list(self._client.mget(names))


@contextmanager
def reading(url: str) -> Iterator[Look]:
    """A look at the Redis of a URL."""
    client = _client(address_of(url))
    try:
        yield Look(client)
    finally:
        client.close()


def _client(address: Address) -> redis.Redis | redis.RedisCluster:
    if address.kind == "cluster":
        return redis.RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in address.hosts])
    if address.kind == "sentinel":
        return Sentinel(address.hosts).master_for(address.service, db=address.database)
    return redis.Redis.from_url(address.url)
