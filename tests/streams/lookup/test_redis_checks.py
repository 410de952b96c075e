"""What the doctor says of a cluster, and of an address that means something else than what is there."""

from __future__ import annotations

import pytest

from state import keys
from state.layouts import packed
from state.store import BAD
from streams.lookup.redis_checks import redis_checks
from streams.offline.servers import HOST
from streams.settings import Settings
from tests.support.redis_cluster import RealCluster

pytestmark = pytest.mark.servers


async def test_every_master_of_a_cluster_is_looked_at(redis_cluster: RealCluster) -> None:
    """By its address; what was left on any of them is told."""
    stopped, bad = keys.stopped(3, "behavior-events"), BAD + keys.context(1, "u1")
    redis_cluster.owner(stopped).say("SET", stopped, packed(stopped, b"a gap"))
    redis_cluster.owner(bad).say("SET", bad, b"12345")
    checks = {check.name: check for check in await redis_checks(Settings(redis=redis_cluster.url))}
    for master in redis_cluster.masters:
        assert checks[f"redis memory {HOST}:{master.port}"].state == "ok"
        assert checks[f"redis persistence {HOST}:{master.port}"].state == "ok"
        assert f"redis replica {HOST}:{master.port}" not in checks
    assert (checks["redis cluster"].state, checks["redis writes"].state) == ("ok", "ok")
    assert checks["partition behavior-events[3]"].message == "is not read: a gap"
    assert bad.decode() in checks["stored values"].message


async def test_a_master_without_a_replica_or_without_room_is_told(redis_cluster: RealCluster) -> None:
    """A warning, and a fault."""
    owner = redis_cluster.owner(keys.trends(0))
    redis_cluster.replica(owner).kill9()
    owner.say("CONFIG", "SET", "maxmemory", 1)
    try:
        checks = {check.name: check for check in await redis_checks(Settings(redis=redis_cluster.url))}
    finally:
        owner.say("CONFIG", "SET", "maxmemory", 0)
    assert checks[f"redis replica {HOST}:{owner.port}"].state == "warn"
    assert checks["redis writes"].state == "fail"


async def test_a_node_given_as_one_server_is_told_to_be_a_cluster(redis_cluster: RealCluster) -> None:
    """With how the address must begin."""
    checks = await redis_checks(Settings(redis=redis_cluster.nodes[0].redis))
    assert checks[0].state == "fail"
    assert "redis+cluster://" in checks[0].remedy
