"""Servers of their own, reached through a proxy, for tests of faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.servers import RealKafka, missing_kafka
from tests.support.proxy import Proxy
from tests.support.servers import need


@pytest.fixture(scope="session")
def proxied_kafka() -> Iterator[tuple[RealKafka, Proxy]]:
    """A node of Kafka, and a proxy through which all of a client's connections to it go."""
    need(missing_kafka())
    with Proxy() as proxy, RealKafka(advertised=proxy.port) as kafka:
        proxy.target = kafka.proxied_port
        yield kafka, proxy
