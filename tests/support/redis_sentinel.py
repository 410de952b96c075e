"""A master, its replica, and one Sentinel that puts the replica in the master's place when that is gone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

import redis

from bench.servers import RealRedis
from streams.offline.servers import HOST
from tests.support.redis_cluster import wait_until

SERVICE: Final = "shop"


class _Replica(RealRedis):
    def __init__(self, master: RealRedis) -> None:
        super().__init__()
        self._master = master

    def command(self) -> Sequence[str]:
        return [*super().command(), "--replicaof", HOST, str(self._master.port)]


class _Sentinel(RealRedis):
    def __init__(self, master: RealRedis) -> None:
        super().__init__()
        self._master = master

    def command(self) -> Sequence[str]:
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.folder}\n"
            f"sentinel monitor {SERVICE} {HOST} {self._master.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        return [super().command()[0], str(config), "--sentinel"]


class WatchedPair:
    """Started, and known to the Sentinel; as a context, ended after it."""

    def __init__(self) -> None:
        self.master = RealRedis()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.master)
        self.replica = self._stack.enter_context(_Replica(self.master))
        self.sentinel = self._stack.enter_context(_Sentinel(self.master))
        wait_until(self._sound, "the Sentinel knows the replica, and that is in step")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """Its address, with a second Sentinel that is not there."""
        return f"redis+sentinel://{HOST}:1,{HOST}:{self.sentinel.port}/{SERVICE}/0"

    @property
    def serving_port(self) -> int:
        """The port of the master that the Sentinel names."""
        with redis.Redis(host=HOST, port=self.sentinel.port) as client:
            address: tuple[str, int] = client.sentinel_get_master_addr_by_name(SERVICE)
        return address[1]

    def _sound(self) -> bool:
        with redis.Redis(host=HOST, port=self.sentinel.port) as client:
            known = client.sentinel_slaves(SERVICE)
        return len(known) == 1 and known[0]["master-link-status"] == "ok"
