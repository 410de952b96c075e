"""Servers for every test: real Kafka and Redis, and the embedded pair; started once, when first asked for.

What needs a server gets the marker ``servers`` here, by the fixtures it uses; ``-m "not servers"`` is everything else,
and starts none.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from bench.servers import RealKafka, RealRedis, missing_kafka, missing_redis
from models.base.threads import one_thread
from streams.offline.servers import EmbeddedBroker, EmbeddedRedis, LocalServer
from streams.settings import checkout
from tests.support.examples import register_profiles
from tests.support.parallel import SLOW, Spread
from tests.support.redis_cluster import RealCluster
from tests.support.servers import Broker, flush, need

register_profiles()

HERE: Final = Path(__file__).parent
INTEGRATION: Final = HERE / "integration"
#: fixtures that start a server
SERVERS: Final = {
    "kafka", "broker", "real_broker", "proxied_kafka", "redis_server", "redis_url", "redis_cluster",
    "embedded_servers", "embedded", "own_servers",
}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """This process is the entry point of all that it tests: it throws the switch that a worker's throws."""
    one_thread()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Spread:
    """Where tests run in several processes, this says which runs where."""
    return Spread(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers, and put first what takes longest."""
    for item in items:
        if INTEGRATION in item.path.parents or SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
    items.sort(key=lambda item: not str(item.path.relative_to(HERE)).startswith(SLOW))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test without the marker ``servers`` that starts one in this process fails: `make unit` would start it too."""
    if item.get_closest_marker("servers") is not None:
        return (yield)

    def refused(server: LocalServer) -> None:
        raise AssertionError(f"this test starts {server.name}: mark it with pytest.mark.servers")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalServer, "start", refused)
        return (yield)


@pytest.fixture(scope="session")
def kafka() -> Iterator[RealKafka]:
    """Real Apache Kafka, shared by the session: name topics with ``topic_prefix``."""
    need(missing_kafka())
    with RealKafka() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RealRedis]:
    """A real Redis or Valkey server, shared by the session."""
    need(missing_redis())
    with RealRedis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RealRedis) -> str:
    """The real Redis server's URL; its database is empty."""
    flush(redis_server.redis)
    return redis_server.redis


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[RealCluster]:
    """A real Redis Cluster, shared by the session."""
    need(missing_redis())
    with RealCluster() as cluster:
        yield cluster


@pytest.fixture
def redis_cluster(running_cluster: RealCluster) -> RealCluster:
    """The real Redis Cluster, sound and empty; what a test killed runs again."""
    for node in running_cluster.nodes:
        if node.process is None:
            node.restart()
    running_cluster.wait()
    running_cluster.flush()
    return running_cluster


@pytest.fixture(scope="session")
def embedded_servers() -> Iterator[tuple[EmbeddedBroker, EmbeddedRedis]]:
    """The embedded pair, shared by the session."""
    with EmbeddedBroker() as broker, EmbeddedRedis() as redis:
        yield broker, redis


@pytest.fixture
def embedded(
    embedded_servers: tuple[EmbeddedBroker, EmbeddedRedis],
) -> tuple[EmbeddedBroker, EmbeddedRedis]:
    """The embedded pair with an empty database; name topics with ``topic_prefix``."""
    flush(embedded_servers[1].redis)
    return embedded_servers


@pytest.fixture(scope="session")
def quick_judging() -> Iterator[None]:
    """A new ranker's importance by group is told of a few lists: of all of them it takes longer than the training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.ranker.IMPORTANCE_LISTS", 5)
        yield


@pytest.fixture
def own_servers() -> None:
    """For a test whose commands start servers of their own."""


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(params=["kafka", "tansu"])
def broker(request: pytest.FixtureRequest, topic_prefix: str) -> Broker:
    """Runs a test on real Kafka and on the embedded broker."""
    if request.param == "kafka":
        return Broker(request.getfixturevalue("kafka").kafka, topic_prefix)
    pair = request.getfixturevalue("embedded_servers")
    return Broker(pair[0].kafka, topic_prefix, fetch_max_wait_ms=10, tansu=True)


@pytest.fixture
def real_broker(kafka: RealKafka, topic_prefix: str) -> Broker:
    """Runs a test on real Kafka only."""
    return Broker(kafka.kafka, topic_prefix)


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """A function that returns a public data set's folder by its name; skips where it is absent, unless required."""
    base = Path(os.environ.get("STREAMRANK_DATA") or checkout().parent / "shared" / "data")

    def folder(name: str) -> Path:
        if (base / name).is_dir():
            return base / name
        reason = f"no data set at '{base / name}' (STREAMRANK_DATA names the folder above it)"
        if os.environ.get("STREAMRANK_REQUIRE_DATA") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    return folder
