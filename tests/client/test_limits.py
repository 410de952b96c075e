"""Limits: whatever comes is decoded, or refused with its field, its value and the limit; never anything else."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from state import keys
from streamrank_client import limits
from streamrank_client.asyncapi import document
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import Event, decode_event
from streamrank_client.routing import head, route
from streamrank_client.topics import topics
from streams.handlers.decoding import decode_one
from streams.wire.messages import Record
from tests.support.lines import ids

ITEM: Final = {"event": "item", "item_id": "p1", "time": 1}
QUERY: Final = {"event": "query", "request_id": "r1", "time": 1}
CLICK: Final = {"event": "click", "event_id": "e", "user_id": "u", "item_id": "i", "time": 1}


def decoded(raw: bytes) -> Event:
    """What a worker makes of a record with the key that the client would give it."""
    return decode_one(Record(route(head(raw), topics()).key, raw, 0, 0), decode_event, lambda event: key_of(raw))


def key_of(raw: bytes) -> str:
    """The key that the client gives a record."""
    return (route(head(raw), topics()).key or b"").decode()


def refusal(event: dict[str, Any]) -> InvalidEvent:
    """How an event is refused."""
    with pytest.raises(InvalidEvent) as raised:
        decoded(msgspec.json.encode(event))
    return raised.value


@pytest.mark.parametrize(
    ("event", "field", "value", "limit"),
    [
        (ITEM | {"title": "t" * 100_000}, "title", "of 100000 characters", limits.TEXT_CHARACTERS),
        (ITEM | {"description": "d" * 1_000_000}, "description", "of 1000000", limits.DESCRIPTION_CHARACTERS),
        (ITEM | {"attributes": {f"a{n}": 1 for n in range(10_000)}}, "attributes", "of 10000", limits.ATTRIBUTES),
        (ITEM | {"attributes": {"a": 1, "b": ["x"] * 51}}, "attributes.b", "a list of 51", limits.ATTRIBUTE_TEXTS),
        (ITEM | {"attributes": {"b": "x" * 501}}, "attributes.b", "501 characters", limits.ATTRIBUTE_CHARACTERS),
        (ITEM | {"attributes": {"n" * 201: 1}}, "attributes", "a name in it", limits.ATTRIBUTE_NAME_CHARACTERS),
        (ITEM | {"category": ["c"] * 11}, "category", "a list of 11", limits.CATEGORY_LEVELS),
        (ITEM | {"item_id": "i" * 129}, "item_id", "of 129 characters", limits.ID_CHARACTERS),
        (ITEM | {"image_vector": [0.5] * 4_097}, "image_vector", "a list of 4097", limits.VECTOR_NUMBERS),
        (QUERY | {"candidates": ["i"] * 10_000}, "candidates", "a list of 10000", limits.CANDIDATES),
        (QUERY | {"exclude": ["i"] * 1_001}, "exclude", "a list of 1001", limits.EXCLUDED_ITEMS),
        (QUERY | {"cart": ["i"] * 201}, "cart", "a list of 201", limits.CART_ITEMS),
        (QUERY | {"limit": 101}, "limit", "101", limits.PAGE_ITEMS),
        (QUERY | {"filters": {"attributes": {f"a{n}": 1 for n in range(1_000)}}}, "filters.attributes", "of 1000",
         limits.FILTERED_ATTRIBUTES),
        (QUERY | {"filters": {"attributes": {"a": ["x"] * 101}}}, "filters.attributes.a", "of 101",
         limits.FILTER_VALUES),
        (QUERY | {"filters": {"brand": ["x"] * 1_000}}, "filters.brand", "a list of 1000", limits.FILTER_VALUES),
        (CLICK | {"position": 10_001}, "position", "10001", limits.POSITION),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_with_field_value_and_limit(
    event: dict[str, Any], field: str, value: str, limit: int
) -> None:
    """The value is shortened: a letter is read by people."""
    error = refusal(event)
    assert (error.code, error.field) == ("invalid", field)
    assert value in error.message
    assert str(limit) in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_json_that_is_nested_too_deep_is_malformed(depth: int) -> None:
    """In a field that is known, and in one that is not."""
    for name in (b"attributes", b"more"):
        nested = msgspec.json.encode(ITEM)[:-1] + b',"' + name + b'":' + b"[" * depth + b"]" * depth + b"}"
        with pytest.raises(InvalidEvent) as raised:
            decoded(nested)
        assert raised.value.code in ("malformed", "invalid")


def test_every_limit_is_in_the_document() -> None:
    """As maxLength, maxItems, maxProperties or maximum, or in words for the record."""
    said: set[float] = set()

    def look(value: object) -> None:
        if isinstance(value, dict):
            said.update(v for k, v in value.items() if k in ("maxLength", "maxItems", "maxProperties", "maximum"))
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    found = document()
    look(found)
    named = {name: value for name, value in vars(limits).items() if name.isupper() and name != "MAX_RECORD_BYTES"}
    assert {name for name, value in named.items() if value not in said} == set()
    assert str(limits.MAX_RECORD_BYTES) in found["info"]["description"]


#: values that no field, or hardly any, may have
HOSTILE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20) | st.sampled_from(["x" * 129, "x" * 2_001, "\x00", "a\nb", "{}", "}{", "\u202e", "1e999"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS: Final = (
    "event", "time", "item_id", "user_id", "request_id", "event_id", "rule_id", "title", "description", "category",
    "brand", "price", "attributes", "image_vector", "in_stock", "position", "quantity", "value", "text", "filters",
    "cart", "candidates", "limit", "offset", "after", "exclude", "explain", "language", "reply_topic",
    "action", "item_ids",
)  # fmt: skip


@given(
    st.sampled_from([ITEM, QUERY, CLICK, CLICK | {"event": "purchase"}, {"event": "rule", "rule_id": "r", "time": 1}]),
    st.dictionaries(st.sampled_from(FIELDS), HOSTILE, max_size=4),
)
def test_every_event_is_decoded_or_refused_with_its_field(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """Never an exception of another kind; a refusal for a value names the field that has it, and says why."""
    raw = json.dumps(base | changes).encode()
    error = fault(raw)
    if error is not None:
        assert error.message
        assert error.code in ("malformed", "missing", "invalid", "unknown_event", "wrong_key")
        if error.code == "invalid":
            assert error.field.split(".")[0].split("[")[0] in changes


def fault(raw: bytes) -> InvalidEvent | None:
    """How a record is refused, if it is."""
    try:
        decoded(raw)
    except InvalidEvent as error:
        return error
    return None


@given(st.binary(max_size=200) | ids.map(str.encode))
def test_bytes_of_any_kind_are_refused_with_a_code(raw: bytes) -> None:
    """What is no event at all."""
    with pytest.raises(InvalidEvent):
        decoded(raw)


@given(st.text(min_size=1, max_size=20) | st.sampled_from(["}{", "{}", "{7}", "a\x00b", "\n", "}", "{"]))
def test_an_id_with_braces_moves_no_key_to_another_slot(name: str) -> None:
    """The first braces of a key are its partition's, whatever an id has."""
    name = name.encode(errors="replace").decode()
    slot = key_slot(b"{3}")
    for made in (keys.context, keys.session, keys.purchases, keys.impression, keys.watermark):
        assert key_slot(made(3, name)) == slot
        assert made(3, name).endswith(name.encode())
