"""Routing: the same for an event and for its line, and never at a loss."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.answers import Answer
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Event, encode
from streamrank_client.partitioner import partition_for
from streamrank_client.routing import Head, head, head_of, route
from streamrank_client.topics import topics
from tests.support.lines import in_order, lines, made_by_shops

TOPICS = topics(5)


@given(made_by_shops)
def test_an_event_goes_where_its_line_goes(event: Event) -> None:
    """What a client publishes and what a log holds have one topic, key and partition."""
    assert route(head_of(event), TOPICS) == route(head(encode(event)), TOPICS)


@given(lines.map(lambda some: in_order(some, 0)) | st.lists(st.binary(max_size=60)))
def test_every_line_goes_somewhere(some: list[bytes]) -> None:
    """To one of the three topics that shops write to, where the key decides the partition as in every Kafka client."""
    for raw in some:
        spec, key, partition = route(head(raw), TOPICS)
        assert spec in (TOPICS.item_events, TOPICS.behavior_events, TOPICS.query_events)
        assert partition == (partition_for(key, spec.partitions) if key else 0)
        assert key is not None or spec is not TOPICS.item_events


@pytest.mark.parametrize(
    ("line", "topic", "key"),
    [
        ({"event": "item", "item_id": "p1"}, "item-events", b"p1"),
        ({"event": "item"}, "item-events", b""),
        ({"event": "item", "item_id": 7}, "item-events", b""),
        ({"event": "rule", "rule_id": "r1"}, "item-events", b"rule:r1"),
        ({"event": "delete_rule", "rule_id": "r1", "item_id": ""}, "item-events", b"rule:r1"),
        ({"event": "query", "user_id": "u1", "request_id": "r1"}, "query-events", b"u1"),
        ({"event": "query", "request_id": "r1"}, "query-events", b"r1"),
        ({"event": "click", "user_id": "u1", "time": "soon"}, "behavior-events", b"u1"),
        ({"event": "stare", "user_id": "u1"}, "behavior-events", b"u1"),
        ({"user_id": ["u1"]}, "behavior-events", None),
    ],
    ids=str,
)
def test_what_can_be_read_of_a_line_decides(line: dict[str, Any], topic: str, key: bytes | None) -> None:
    """Its tag the topic, its id the key; on item-events, which is compacted, a missing id is the empty key."""
    routed = route(head(encode(line)), TOPICS)
    assert (routed.spec.name, routed.key) == (topic, key)


def test_what_is_no_object_is_behaviour_without_a_key() -> None:
    """Its dead letter lies with those of the events that nobody could name."""
    assert head(b"[]") is None
    assert route(None, TOPICS) == (TOPICS.behavior_events, None, 0)
    assert route(Head(), TOPICS) == (TOPICS.behavior_events, None, 0)


def test_an_answer_is_not_for_clients_to_publish() -> None:
    """Workers do."""
    with pytest.raises(InvalidEvent, match="only workers publish answers"):
        head_of(Answer(time=1, request_id="r1"))
