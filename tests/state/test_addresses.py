"""Where Redis is: what a URL says, and what it may not."""

from __future__ import annotations

import pytest

from state.addresses import Address, address_of, another_database


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    """Hosts with their ports, IPv6 in brackets; user and password decoded; TLS by the scheme."""
    url = "rediss+cluster://me:a%40b%2C@r1:7000,[::1]:7001,r3"
    expected = (("r1", 7000), ("::1", 7001), ("r3", 6379))
    assert address_of(url) == Address("cluster", url, True, expected, "me", "a@b,")
    plain = address_of("redis+cluster://:only@r1/0")
    assert (plain.tls, plain.username, plain.password) == (False, None, "only")


def test_sentinels_name_a_service_and_its_database() -> None:
    """Port 26379 where none is given."""
    found = address_of("redis+sentinel://s1,s2:7/shop/3")
    assert (found.kind, found.hosts, found.service, found.database) == (
        "sentinel", (("s1", 26379), ("s2", 7)), "shop", 3,
    )  # fmt: skip
    assert address_of("redis+sentinel://s1/shop").database == 0


@pytest.mark.parametrize("url", ["redis://h", "rediss://me:x@h:1/2", "redis://h?db=1", "unix:///tmp/r.sock?db=1"])
def test_one_server_is_redis_pys_to_read(url: str) -> None:
    """What redis-py takes is taken."""
    assert address_of(url).kind == "server"


def test_databases_further_on_keep_the_rest_of_the_url() -> None:
    """For one server and for Sentinel; a cluster has but one."""
    assert another_database("redis://me:x@h:1", 1) == "redis://me:x@h:1/1"
    assert another_database("redis+sentinel://s1,s2/shop/2", 2) == "redis+sentinel://s1,s2/shop/4"
    with pytest.raises(ValueError, match="name one server"):
        another_database("redis+cluster://r1", 1)
