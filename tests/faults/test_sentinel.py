"""A worker on the master that a Sentinel names: it is killed or demoted while events come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from bench.servers import RealKafka, RealRedis, missing_redis
from state import keys
from state.store import Store
from streams.offline.servers import HOST
from tests.faults.test_cluster import SIZE, served_through
from tests.support.faults import assert_as_replayed, log
from tests.support.redis_cluster import wait_until
from tests.support.redis_sentinel import SERVICE, WatchedPair
from tests.support.servers import need
from tests.support.worker_process import deployment

pytestmark = pytest.mark.servers


@pytest.fixture
def pair() -> Iterator[WatchedPair]:
    """A master, a replica and a Sentinel of the test's own."""
    need(missing_redis())
    with WatchedPair() as found:
        yield found


async def test_a_master_that_is_killed_is_followed_by_its_replica(
    kafka: RealKafka, redis_server: RealRedis, pair: WatchedPair, topic_prefix: str, tmp_path: Path
) -> None:
    """What the replica had not got yet is read again from Kafka: the state is that of one server."""
    smooth = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20, redis_timeout_s=2.0)
    settings = replace(smooth, redis=pair.url)
    raw = log(SIZE)
    await served_through(settings, raw, tmp_path, pair.master.kill9)
    assert pair.serving_port == pair.replica.port
    await assert_as_replayed(settings, raw, smooth)


async def test_a_master_that_is_demoted_is_written_to_no_more(pair: WatchedPair) -> None:
    """A connection to it fails once, and the next one goes to the new master."""
    store = Store(pair.url, timeout_s=2.0)
    name = keys.impression(0, "r")
    await store.write_expiring([(name, b"1")], 100)
    with redis.Redis(host=HOST, port=pair.sentinel.port) as client:
        client.execute_command("SENTINEL", "FAILOVER", SERVICE)
    wait_until(lambda: pair.serving_port == pair.replica.port, "the replica is the master")
    for value in (b"2", b"3"):
        try:
            await store.write_expiring([(name, value)], 100)
        except redis.ConnectionError:
            assert value == b"2"
    assert await store.read([name]) == [b"3"]
    with redis.Redis(host=HOST, port=pair.replica.port) as client:
        assert client.ttl(name) > 0
    await store.close()
