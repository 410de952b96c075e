"""What an event may look like: allowed texts are named, and fields that are none are found."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from streamrank_client.errors import InvalidEvent
from streamrank_client.events import (
    Behavior,
    Event,
    ItemEvents,
    Query,
    decode_behavior,
    decode_item,
    decode_query,
    invalid,
)
from streamrank_client.making import behavior, checked
from streamrank_client.shapes import allowed_at, unknown_fields
from streamrank_client.vocabulary import CODE, SORTS, SURFACES

QUERY = {"event": "query", "request_id": "r", "time": 5}
RULE = {"event": "rule", "rule_id": "r", "time": 5, "action": "pin", "item_ids": ["p"]}
DECODERS = {"query": decode_query, "item": decode_item, "behavior": decode_behavior}


@pytest.mark.parametrize(
    ("decoder", "event", "field", "allowed"),
    [
        ("query", {**QUERY, "surface": "homee"}, "surface", SURFACES),
        ("query", {**QUERY, "sort": "dearest", "user_id": None}, "sort", SORTS),
        ("query", {**QUERY, "language": "de"}, "language", ("en", "zh")),
        ("query", {"event": "clik"}, "event", ("query",)),
        ("item", {**RULE, "action": "lift"}, "action", ("pin", "bury", "hide")),
        ("item", {**RULE, "match": "part"}, "match", ("equal", "words")),
        ("item", {**RULE, "surfaces": ["home", "homee"]}, "surfaces[1]", SURFACES),
        ("behavior", {"event": "clik"}, "event", tuple(CODE)),
    ],
)
def test_a_wrong_text_names_those_that_are_allowed(
    decoder: str, event: dict[str, object], field: str, allowed: tuple[str, ...]
) -> None:
    """Of every field that takes some texts only, and of the tag; with a null beside it, too."""
    with pytest.raises(msgspec.ValidationError) as raised:
        DECODERS[decoder](msgspec.json.encode(event))
    told = invalid(raised.value)
    assert told.field == field
    assert set(told.message.rpartition("expected one of ")[2].split(", ")) == set(allowed)


def test_events_made_in_python_name_the_allowed_texts_too() -> None:
    """A kind that is none, and a struct that was made with a wrong surface."""
    with pytest.raises(InvalidEvent, match=r"'stare': expected one of impression, view, click"):
        behavior("stare", user_id="u")
    wrong = Query(request_id="r", time=5, surface="homee")  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent, match=r"surface: Invalid enum value 'homee': expected one of .*search"):
        checked(wrong)


def test_nothing_is_allowed_by_name_where_any_text_is() -> None:
    """A title, and a path that no event has."""
    assert allowed_at(ItemEvents, "$.title") == allowed_at(Query, "$.nowhere[0]") == ()


@pytest.mark.parametrize(
    ("event", "unknown"),
    [
        ({**QUERY, "txt": "tea"}, [("txt", "text")]),
        ({**QUERY, "filters": {"prise": {"max": 3}}}, [("filters.prise", "price")]),
        ({**QUERY, "filters": {"price": {"maximum": 3}}}, [("filters.price.maximum", "max")]),
        ({**QUERY, "filters": {"attributes": {"size": {"mn": 3}}}}, [("filters.attributes.size.mn", "min")]),
        ({**QUERY, "after": {"partition": 1, "offset": 2, "zzz": 3}}, [("after.zzz", "")]),
        ({"event": "click", "itemid": "p"}, [("itemid", "item_id")]),
        ({"event": "item", "attributes": {"any": 1}, "brand": None}, []),
        ({"event": "nothing", "x": 1}, []),
        ([1], []),
    ],
)
def test_fields_that_are_none_are_found_at_any_depth(event: object, unknown: list[tuple[str, str]]) -> None:
    """With the nearest name; attributes are the shop's own, and what is no event has no fields."""
    assert [tuple(one) for one in unknown_fields(event, Event)] == unknown


def test_no_field_of_any_behaviour_is_unknown() -> None:
    """Every field that a struct has is one."""
    for kind in get_args(Behavior):
        every = dict.fromkeys(kind.__struct_fields__, 1)
        assert unknown_fields({"event": kind.__struct_config__.tag, **every}, Event) == []
