"""Records to events: the fast way and the careful way agree, and letters say what was wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Behavior, decode_behavior, encode
from streamrank_client.limits import MAX_RECORD_BYTES
from streamrank_client.making import behavior
from streams.handlers.decoding import RAW_KEPT, dead_letter, decode_batch, decode_one, reply_topic_of, request_id_of
from streams.wire.messages import Record


def user_of(event: Behavior) -> str:
    """The key of an event."""
    return event.user_id


def record(value: bytes | None, key: bytes | None = b"u1", offset: int = 0) -> Record:
    """A record of this value."""
    return Record(key, value, offset, 0)


GOOD = encode(behavior("click", event_id="e", user_id="u1", item_id="p", time=1))
DEEP = GOOD[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
BAD = (b"{", b"", None, GOOD.replace(b"u1", b"u2"), DEEP, b'"\xff"', GOOD[:-1] + b" " * MAX_RECORD_BYTES + b"}")


@given(st.lists(st.sampled_from([GOOD, GOOD, *BAD]), max_size=12))
def test_each_record_is_an_event_or_a_letter(values: list[bytes | None]) -> None:
    """Good ones decode in order whatever stands beside them; every other one has one letter with its offset."""
    batch = [record(value, offset=place) for place, value in enumerate(values)]
    decoded = decode_batch(batch, decode_behavior, user_of, "t", 3)
    assert [r.offset for r in decoded.records] == [n for n, value in enumerate(values) if value == GOOD]
    assert [letter.offset for letter in decoded.dead] == [n for n, value in enumerate(values) if value != GOOD]
    assert all(event == decode_behavior(GOOD) for event in decoded.events)
    assert {(letter.topic, letter.partition) for letter in decoded.dead} <= {("t", 3)}


@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
def test_what_is_broken_is_refused_alone_too(value: bytes | None) -> None:
    """decode_one raises InvalidEvent and nothing else."""
    with pytest.raises(InvalidEvent):
        decode_one(record(value), decode_behavior, user_of)


def test_a_letter_keeps_the_start_of_a_large_record() -> None:
    """At most 64 KiB of it, and its whole size."""
    letter = dead_letter(record(b"x" * 200_000), InvalidEvent("c", "f", "m"), "t", 1)
    assert (len(letter.raw or b""), letter.size, letter.code, letter.field, letter.reason) == (
        RAW_KEPT, 200_000, "c", "f", "m",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"request_id":"r1"', "r1"),
        (b'{"request_id" : "a\\"b\\u4e2d"}', 'a"b中'),
        (b'{"request_id":7}', None),
        (b'{"request_id":""}', None),
        (b'{"request_id":"' + b"x" * 129 + b'"}', None),
        (b'{"request_id":"\xff"}', None),
        (b'{"request_id":"\\ud800"}', None),
        (b"", None),
        (None, None),
    ],
)
def test_a_request_id_is_read_from_broken_queries(raw: bytes | None, found: str | None) -> None:
    """If it can be read and is a request id."""
    assert request_id_of(raw) == found


def test_a_reply_topic_is_read_from_broken_queries() -> None:
    """Only names that Kafka allows."""
    assert reply_topic_of(b'{"reply_topic": "mine-1", "limit": 0') == "mine-1"
    assert reply_topic_of(b'{"reply_topic": "no topic"}') is None
    assert reply_topic_of(None) is None
