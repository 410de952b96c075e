"""Servers for every test: real Kafka and Redis, and the embedded pair; started once, when first asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from bench.servers import RealKafka, RealRedis, missing_kafka, missing_redis
from streams.offline.servers import EmbeddedBroker, EmbeddedRedis
from tests.support.servers import Broker, flush, need

# how long an example takes says how busy the machine is
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


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
