"""The wire: every event survives a round trip, and a broken one names its field."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrank_client.answers import Answer, AnswerItem, DeadLetter, decode_dead_letter
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import (
    Click,
    Event,
    Item,
    Query,
    decode_behavior,
    decode_event,
    decode_item,
    decode_query,
    encode,
    invalid,
)
from streamrank_client.making import behavior, checked
from streamrank_client.routing import head_of, route
from streamrank_client.rules import DeleteRule, Rule, rule_key
from streamrank_client.topics import topics
from tests.support.lines import ids, made_by_shops, places, texts, times

events = made_by_shops | st.one_of(
    st.builds(Answer, time=times, request_id=ids, user_id=st.none() | ids, surface=texts, intent=st.none(),
              items=st.lists(st.builds(AnswerItem, item_id=ids, score=st.floats(-9, 9), propensity=st.floats(0, 1),
                                       sources=st.lists(ids, max_size=2), reasons=st.none(), features=st.none()),
                             max_size=3),
              arm=texts, artifact=texts, weights_version=st.integers(0, 2**40), seen=st.none() | places,
              error=st.none()),
)  # fmt: skip

CLICK = {"event": "click", "event_id": "e", "user_id": "u", "item_id": "i", "time": 1}


@given(events)
def test_every_event_survives_a_round_trip(event: Event) -> None:
    """What is encoded decodes to an equal struct of the same type, and encodes to the same bytes again."""
    back = decode_event(encode(event))
    assert type(back) is type(event)
    assert back == event
    assert encode(back) == encode(event)


@given(events.filter(lambda event: not isinstance(event, Answer)))
def test_an_event_that_is_valid_can_be_checked_and_routed(event: Event) -> None:
    """checked() returns the event's bytes, route() a key that decodes to one of its ids."""
    spec, key, _ = route(head_of(event), topics())
    assert checked(event) == encode(event)
    found = {getattr(event, name, None) for name in ("item_id", "user_id", "request_id")}
    if isinstance(event, Rule | DeleteRule):
        found.add(rule_key(event.rule_id))
    assert key is not None
    assert key.decode() in found
    assert spec in list(topics())


@given(st.binary(max_size=80), st.none() | st.binary(max_size=8))
def test_a_dead_letter_keeps_the_bytes_whatever_they_are(raw: bytes, key: bytes | None) -> None:
    """Raw bytes that are no text at all survive in a dead letter."""
    letter = DeadLetter("t", 1, 2, "malformed", "", "why", key, raw, len(raw))
    assert decode_dead_letter(encode(letter)) == letter


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"time": -1}, "invalid", "time"),
        ({"time": 1.5}, "invalid", "time"),
        ({"time": "now"}, "invalid", "time"),
        ({"time": None}, "missing", "time"),
        ({"time": 1_700_000_000}, "invalid", "time"),
        ({"time": 100_000_000}, "invalid", "time"),
        ({"time": 99_999_999_999}, "invalid", "time"),
        ({"item_id": ""}, "invalid", "item_id"),
        ({"item_id": "x" * 129}, "invalid", "item_id"),
        ({"item_id": None}, "missing", "item_id"),
        ({"user_id": 7}, "invalid", "user_id"),
        ({"position": -1}, "invalid", "position"),
        ({"position": 10_001}, "invalid", "position"),
        ({"query": "x" * 2_001}, "invalid", "query"),
        ({"event": "stare"}, "unknown_event", "event"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(change: dict[str, object], code: str, field: str) -> None:
    """Every field's wrong values give an error with its name."""
    error = refusal(msgspec.json.encode({**CLICK, **change}))
    assert (error.code, error.field) == (code, field)


@pytest.mark.parametrize("name", ["time", "event_id", "user_id", "item_id"])
def test_a_missing_field_is_named(name: str) -> None:
    """A field that is not there gives the code `missing` and its name."""
    raw = msgspec.json.encode({key: value for key, value in CLICK.items() if key != name})
    error = refusal(raw)
    assert (error.code, error.field) == ("missing", name)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b'{"event":"click","time":NaN}', b'{"time":Infinity}'])
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    """Bytes that are no JSON, NaN and infinity among them, give the code `malformed`."""
    assert refusal(raw).code == "malformed"


def refusal(raw: bytes) -> InvalidEvent:
    """The error that decoding gives."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as raised:
        decode_behavior(raw)
    error = raised.value
    assert isinstance(error, msgspec.DecodeError | UnicodeDecodeError)
    return invalid(error)


@pytest.mark.parametrize("time", [0, 5, 99_999_999, 100_000_000_000, 820_454_400_000, 1_700_000_000_000])
def test_times_that_are_no_seconds_of_our_decades_are_taken(time: int) -> None:
    """Small numbers as tests use them, and films rated in 1996."""
    assert decode_behavior(msgspec.json.encode({**CLICK, "time": time})).time == time


def test_a_time_in_seconds_is_told_with_what_to_send() -> None:
    """Of an event, and of when a promotion or a rule holds, the error names the field and the milliseconds."""
    error = refusal(msgspec.json.encode({**CLICK, "time": 1_700_000_000}))
    assert error.message == "1700000000 is in seconds: send milliseconds, 1700000000000"
    item = {"event": "item", "item_id": "p", "time": 5, "list_price": 3, "valid_to": 1_700_000_000}
    rule = {
        "event": "rule",
        "rule_id": "r",
        "time": 5,
        "action": "hide",
        "item_ids": ["p"],
        "valid_from": 1_700_000_000,
    }
    for raw, field in ((item, "valid_to"), (rule, "valid_from")):
        with pytest.raises(msgspec.ValidationError) as raised:
            decode_item(msgspec.json.encode(raw))
        assert invalid(raised.value).field == field


NULLS: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({"brand": None, "category": None, "description": None, "title": None, "attributes": None}, {}),
    ({"in_stock": None, "price": None, "list_price": None, "image_vector": None, "group_id": None}, {}),
    ({"attributes": {"colour": None, "size": "M"}}, {"attributes": {"size": "M"}}),
    ({"attributes": {"size": [41, 42.5]}}, {"attributes": {"size": [41.0, 42.5]}}),
    ({"attributes": {"size": [41, None, "L"]}}, {"attributes": {"size": [41.0, "L"]}}),
    ({"category": ["Men", None, "Shoes"]}, {"category": ["Men", "Shoes"]}),
]


@pytest.mark.parametrize(("given", "same"), NULLS)
def test_null_is_as_if_the_field_were_not_there(given: dict[str, Any], same: dict[str, Any]) -> None:
    """In an item, among its attributes and in a list; numbers in a list are values."""
    base = {"event": "item", "item_id": "p", "time": 5}
    assert decode_item(msgspec.json.encode({**base, **given})) == decode_item(msgspec.json.encode({**base, **same}))


def test_null_in_a_vector_and_for_what_must_be_given_is_an_error() -> None:
    """A vector has places, and an item needs its id."""
    for wrong, field in (({"image_vector": [1, None]}, "image_vector[1]"), ({"item_id": None}, "item_id")):
        with pytest.raises(msgspec.ValidationError) as raised:
            decode_item(msgspec.json.encode({"event": "item", "item_id": "p", "time": 5, **wrong}))
        assert invalid(raised.value).field == field


def test_a_query_with_nulls_is_a_query() -> None:
    """Whatever a client leaves out as null has its default."""
    raw = {"event": "query", "request_id": "r", "time": 5, "text": None, "limit": None, "cart": None, "filters": None}
    assert decode_query(msgspec.json.encode(raw)) == Query(request_id="r", time=5)


def test_unknown_fields_are_ignored() -> None:
    """A producer may send more than is known here."""
    assert decode_behavior(msgspec.json.encode({**CLICK, "colour": "red"})) == Click(
        event_id="e", user_id="u", item_id="i", time=1
    )


def test_a_nested_field_is_named_by_its_path() -> None:
    """A wrong value in a filter names the path to it."""
    with pytest.raises(msgspec.ValidationError) as raised:
        decode_query(b'{"event":"query","request_id":"r","time":1,"filters":{"price":{"max":"x"}}}')
    assert invalid(raised.value).field == "filters.price.max"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_lacks_is_refused_and_not_lost(bad: float) -> None:
    """NaN and infinity would be written as null: checked() names the field instead."""
    with pytest.raises(InvalidEvent) as raised:
        checked(Item(time=1, item_id="p", attributes={"weight": bad}))
    assert raised.value.field == "attributes.weight"


def test_an_event_over_a_mebibyte_is_refused() -> None:
    """checked() refuses a record that the worker would refuse for its size."""
    with pytest.raises(InvalidEvent, match="at most 1048576"):
        checked(Item(time=1, item_id="p", attributes={f"a{n}": ["x" * 2_000] * 50 for n in range(11)}))


def test_a_behaviour_event_is_made_from_its_kind() -> None:
    """behavior() leaves None out, and fills in id and time."""
    event = behavior("dwell", user_id="u", item_id="p", milliseconds=5, request_id=None)
    assert event.event_id
    assert event.time > 1_700_000_000_000
    assert event.__struct_config__.tag == "dwell"
