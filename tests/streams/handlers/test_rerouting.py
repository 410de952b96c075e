"""Records on wrong partitions: sent on once with their place and time, then refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from streamrank_client.events import Behavior, decode_behavior, decode_item, encode
from streamrank_client.making import behavior
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import topics
from streams.handlers.catalogue import key_of
from streams.handlers.contexts import user_id
from streams.handlers.rerouting import REROUTED, Home, SortedOut, sort_out
from streams.wire.messages import Batch, Record

P: Final = 4
TOPICS: Final = topics(P)
HERE: Final = 1
#: users by whether they belong to this partition
USERS: Final = {here: [u for u in map("u{}".format, range(60)) if (partition_for(u.encode(), P) == HERE) is here]
                for here in (True, False)}  # fmt: skip


def click(user: str) -> bytes:
    """A click of a user."""
    return encode(behavior("click", event_id=f"e-{user}", user_id=user, item_id="p", time=1))


def sorted_out(records: Sequence[Record], reroute: bool = True) -> SortedOut:
    """What becomes of records that were read from partition 1."""
    return sort_out(Batch(records, 5, 99), Home(TOPICS.behavior_events, HERE, reroute), decode_behavior, user_id)


def test_what_lies_right_is_passed_on_as_it_is() -> None:
    """The very batch, whose values nobody looked at."""
    batch = Batch([Record(u.encode(), b"?", n, 0) for n, u in enumerate(USERS[True])], 0, 50)
    assert sort_out(batch, Home(TOPICS.behavior_events, HERE), decode_behavior, user_id).staying is batch


def test_what_lies_wrong_goes_where_its_key_belongs() -> None:
    """With its key, its value, the time it had in Kafka, its headers and the place where it was."""
    here, there = USERS[True][0], USERS[False][0]
    result = sorted_out(
        [
            Record(here.encode(), click(here), 6, 10),
            Record(there.encode(), click(there), 8, 20, [("trace", b"x")]),
        ]
    )
    assert [record.offset for record in result.staying] == [6]
    assert (result.staying.position, result.staying.next_offset) == (5, 99)
    (message,) = result.rerouted
    assert message.topic == "behavior-events"
    assert (message.key, message.value, message.timestamp_ms) == (there.encode(), click(there), 20)
    assert message.partition == partition_for(there.encode(), P) != HERE
    assert message.headers == (("trace", b"x"), (REROUTED, b"1:8"))
    assert result.dead == []


@pytest.mark.parametrize("here", [True, False])
def test_a_missing_key_is_that_of_the_event(here: bool) -> None:
    """It stays where that belongs, or goes there with it."""
    user = USERS[here][3]
    result = sorted_out([Record(None, click(user), 7, 0)])
    assert len(result.staying) == here
    assert [message.key for message in result.rerouted] == [] if here else [user.encode()]


@pytest.mark.parametrize(("reroute", "headers"), [(False, ()), (True, ((REROUTED, b"0:3"),))])
def test_what_may_not_be_sent_on_is_refused(reroute: bool, headers: tuple[tuple[str, bytes], ...]) -> None:
    """By the setting, or because it was before: a letter that says where it belongs."""
    user = USERS[False][0]
    result = sorted_out([Record(user.encode(), click(user), 7, 0, headers)], reroute)
    assert (list(result.staying), result.rerouted) == ([], [])
    (letter,) = result.dead
    assert (letter.code, letter.field, letter.partition, letter.offset) == ("wrong_partition", "key", HERE, 7)
    assert f"belongs on partition {partition_for(user.encode(), P)} of 4" in letter.reason
    assert "murmur2" in letter.reason


@pytest.mark.parametrize("value", [b"{", b"", encode(behavior("view", event_id="e", user_id="x", item_id="p", time=1))])
def test_what_cannot_be_read_stays_for_its_handler_to_refuse(value: bytes) -> None:
    """Garbage, and an event under a key that is another user's."""
    user = USERS[False][0]
    assert len(sorted_out([Record(user.encode(), value, 7, 0)]).staying) == 1


def test_an_items_tombstone_goes_by_its_key() -> None:
    """Deletions reach the partition that holds the item."""
    item = USERS[False][0]
    result = sort_out(
        Batch([Record(item.encode(), None, 3, 0)], 3, 4), Home(TOPICS.item_events, HERE), decode_item, key_of
    )
    assert [(m.key, m.value) for m in result.rerouted] == [(item.encode(), None)]


def test_behaviour_of_one_user_keeps_its_order() -> None:
    """Those sent on follow each other as they lay."""
    user = USERS[False][0]
    events: list[Behavior] = [behavior("click", event_id=f"e{n}", user_id=user, item_id="p", time=n) for n in range(5)]
    result = sorted_out([Record(user.encode(), encode(event), n, n) for n, event in enumerate(events)])
    assert [message.value for message in result.rerouted] == [encode(event) for event in events]
