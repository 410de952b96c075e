"""What Redis holds, looked up by redis-py's own clients: of one server, of Sentinel's master, of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from time import monotonic, sleep
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry
from redis.sentinel import Sentinel

from state.addresses import Address, address_of


class Look:
    """Reads keys."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._whole = isinstance(client, redis.Redis)

    def names(self, pattern: str) -> Iterator[bytes]:
        """The keys that match."""
        yield from self._client.scan_iter(pattern, 1000)

    def values(self, names: Sequence[bytes]) -> list[bytes | None]:
        """What keys hold."""
        if not names:
            return []
        deadline = monotonic() + 30
        while True:  # a master may be away, and this client learns who follows it only when told to
            try:
                return list(self._client.mget(names) if self._whole else self._client.mget_nonatomic(names))
            except redis.RedisError:
                assert monotonic() < deadline, "Redis does not answer for 30 s"
                sleep(0.2)
                if not self._whole:
                    with suppress(redis.RedisError):
                        self._client.nodes_manager.initialize()


@contextmanager
def reading(url: str) -> Iterator[Look]:
    """A look at the Redis of a URL."""
    address = address_of(url)
    if address.kind == "cluster":
        yield Look(_cluster(address))  # it begins with all that the nodes know of commands: one is made a test session
        return
    client = _master(address) if address.kind == "sentinel" else redis.Redis.from_url(url)
    with client:
        yield Look(client)


@cache
def _cluster(address: Address) -> redis.RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in address.hosts]  # type: ignore[no-untyped-call]
    return redis.RedisCluster(startup_nodes=nodes)


def _master(address: Address) -> redis.Redis:
    # one that is not there is passed over at once
    at_once = {"retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(address.hosts, sentinel_kwargs=at_once)  # type: ignore[no-untyped-call]
    master: redis.Redis = sentinel.master_for(address.service, db=address.database)  # type: ignore[no-untyped-call]
    return master
