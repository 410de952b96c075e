"""The client's settings: what a shop's name makes of the names of topics, and which names there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamrank_client.errors import SettingsError
from streamrank_client.kafka_options import kafka_options
from streamrank_client.settings import ClientSettings, read
from streamrank_client.topics import topics


def test_without_a_shop_all_names_are_as_they_were() -> None:
    """Topics, the client's id and groups of a deployment that names no shop."""
    plain = ClientSettings(partitions=4, topic_prefix="web-")
    assert plain.topics == topics(4, "web-")
    assert plain.in_shop("streamrank-query") == "streamrank-query"
    assert kafka_options(plain)["client_id"] == "streamrank"


def test_a_shop_stands_before_every_name_and_behind_the_clusters_prefix() -> None:
    """By the environment, as any process of the shop reads it."""
    anna = read(ClientSettings, {"STREAMRANK_SHOP": "anna-2", "STREAMRANK_TOPIC_PREFIX": "web-"})
    assert {spec.name.removeprefix("web-anna-2.") for spec in anna.topics} == {spec.name for spec in topics()}
    assert anna.in_shop("streamrank-query") == "anna-2.streamrank-query"
    assert kafka_options(anna)["client_id"] == "anna-2.streamrank"


def test_no_shops_topics_begin_as_anothers() -> None:
    """`anna` and `anna-2`: rights to whatever begins with the one's name are no rights to the other's."""
    anna, other = (ClientSettings(shop=name) for name in ("anna", "anna-2"))
    assert not any(spec.name.startswith(anna.first_of_topics) for spec in other.topics)


@pytest.mark.parametrize("name", ["an na", "anna.b", "anna_b", "ännä", "-anna", "a" * 41, "anna\n", "{3}", "a:b"])
def test_a_name_that_cannot_be_one_is_refused_with_what_may_be(name: str) -> None:
    """From the environment and in code; the line names the variable, the value and what is allowed."""
    said = "letters, digits and `-`, 40 at most, the first one no `-`"
    with pytest.raises(SettingsError) as read_so:
        read(ClientSettings, {"STREAMRANK_SHOP": name})
    with pytest.raises(SettingsError) as made_so:
        replace(ClientSettings(shop="anna"), shop=name)
    assert str(read_so.value) == str(made_so.value) == f"STREAMRANK_SHOP={name!r}: expected {said}"
