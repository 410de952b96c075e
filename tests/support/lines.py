"""Strategies for events, and for lines that a log may hold: good ones, and broken in all ways that are known."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from streamrank_client.events import Click, Delete, Event, Impression, Item, Purchase, Query
from streamrank_client.fields import Filters, Place, Range
from streamrank_client.rules import DeleteRule, Rule

__all__ = ["ids", "in_order", "lines", "made_by_shops", "places", "prices", "texts", "times"]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
times = st.integers(0, 99_999_999) | st.integers(100_000_000_000, 4_294_967_295_999)
prices = st.floats(0, 1e12)
places = st.builds(Place, partition=st.integers(0, 1_000_000), offset=st.integers(0, 2**62))
#: what a shop publishes
made_by_shops: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Item, time=times, item_id=ids, title=texts, category=st.lists(ids, max_size=3), price=st.none() | prices,
        attributes=st.dictionaries(ids, st.booleans() | prices | texts | st.lists(texts, max_size=3), max_size=3),
        image_vector=st.none() | st.lists(st.floats(-1, 1), min_size=1, max_size=4),
    ),
    st.builds(Click, time=times, event_id=ids, user_id=ids, item_id=ids, request_id=st.none() | ids,
              position=st.none() | st.integers(0, 10_000), query=st.none() | texts),
    st.builds(Purchase, time=times, event_id=ids, user_id=ids, item_id=ids, price=st.none() | prices,
              quantity=st.integers(1, 1_000_000), basket_id=st.none() | ids, request_id=st.none(),
              position=st.none(), query=st.none()),
    st.builds(Impression, time=times, event_id=ids, user_id=ids, request_id=st.none() | ids,
              item_ids=st.lists(ids, min_size=1, max_size=5)),
    st.builds(Query, time=times, request_id=ids, user_id=st.none() | ids, surface=st.sampled_from([None, "cart"]),
              text=texts, item_id=st.none() | ids, cart=st.lists(ids, max_size=3),
              candidates=st.lists(ids, max_size=3), limit=st.integers(1, 100),
              filters=st.none() | st.builds(Filters, brand=st.none() | st.lists(ids, max_size=2),
                                            category=st.none(), in_stock=st.none() | st.booleans(),
                                            price=st.none() | st.builds(Range, min=st.none() | prices, max=st.none())),
              exclude=st.lists(ids, max_size=3), explain=st.booleans(), after=st.none() | places,
              reply_topic=st.none()),
    st.builds(Delete, time=times, item_id=ids),
    st.builds(Rule, time=times, rule_id=ids, action=st.just("hide"), item_ids=st.lists(ids, min_size=1, max_size=2)),
    st.builds(DeleteRule, time=times, rule_id=ids),
)  # fmt: skip

#: values that no id, tag or time may have; a lone surrogate can be written in JSON, and is no text
WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", 7, 1.5, True, [], ["u1"], {}, "soon", "\ud800", "u\udfff1", "x" * 200]
)
FIELDS = st.sampled_from(["event", "time", "item_id", "user_id", "request_id", "rule_id", "event_id"])
_GARBAGE = st.sampled_from(
    [
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"click"',
        b"\xff\xf0 garbage",
        b"\xef\xbb\xbf{}",
        b"{}",
        b'{"event":"click"',
        b"\x00",
    ]
)


@st.composite
def _altered(draw: st.DrawFn) -> dict[str, Any]:
    """A good event in which some fields are missing, wrong, or too many."""
    event: dict[str, Any] = msgspec.to_builtins(draw(made_by_shops))
    for name in draw(st.lists(FIELDS, max_size=3, unique=True)):
        if draw(st.booleans()):
            event.pop(name, None)
        else:
            event[name] = draw(WRONG)
    return event


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """The beginning of a good line, or one with a byte changed."""
    whole = bytearray(msgspec.json.encode(draw(made_by_shops)))
    place = draw(st.integers(0, len(whole) - 1))
    if draw(st.booleans()):
        return bytes(whole[:place])
    whole[place] = draw(st.integers(0, 255))
    return bytes(whole)


#: an event as a dict, or bytes that are none
lines: st.SearchStrategy[list[dict[str, Any] | bytes]] = st.lists(
    made_by_shops.map(msgspec.to_builtins) | _altered() | _cut() | _GARBAGE, min_size=1, max_size=40
)


def in_order(given: list[dict[str, Any] | bytes], start: int) -> list[bytes]:
    """Lines of a log, those whose time is one from ``start`` on, later and later; what a log cannot hold is left out.

    A line that was cut keeps no time, and no line is one that only workers publish.
    """
    out: list[bytes] = []
    for number, one in enumerate(given, start):
        if isinstance(one, dict):
            if type(one.get("time")) is int:
                one = {**one, "time": number}
            raw = json.dumps(one, ensure_ascii=number % 2 == 0).encode(errors="replace")
        else:
            raw = one.replace(b'"time"', b'"tome"').replace(b"\n", b" ").replace(b"\r", b" ").strip()
        if raw and b'"answer"' not in raw and b'"dead_letter"' not in raw:
            out.append(raw)
    return out
