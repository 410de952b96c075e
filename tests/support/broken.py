"""Broken records of every kind, and what their dead letters say."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from streamrank_client.making import now

DAY = 86_400_000
MIB = 1 << 20
DEAREST = "filters.price.max"


@dataclass(frozen=True)
class Bad:
    """A broken record: what is wrong with it, its value and key, and the code and field of its letter."""

    wrong: str
    value: bytes | None
    code: str
    field: str = ""
    key: bytes | None = b"bad"


def click(**changed: object) -> bytes:
    """A click, with fields changed; None leaves one out."""
    event = {"event": "click", "event_id": "e", "user_id": "bad", "item_id": "p1", "time": now(), **changed}
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None})


def query(**changed: object) -> bytes:
    """A query of the user, with fields changed."""
    event = {"event": "query", "request_id": "q", "user_id": "bad", "time": now(), **changed}
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None})


def item(**changed: object) -> bytes:
    """An item, with fields changed."""
    return msgspec.json.encode({"event": "item", "item_id": "bad", "time": now(), "title": "bad", **changed})


def raw(event: bytes, name: bytes, value: bytes) -> bytes:
    """The event with one more field, written as it is."""
    return event[:-1] + b',"' + name + b'":' + value + b"}"


BEHAVIORS = [
    Bad("not JSON", b"not json", "malformed"),
    Bad("cut off", b'{"event":"click","event_id":"e"', "malformed", "event_id"),
    Bad("not UTF-8", b'{"event":"click","event_id":"\xff\xfe"}', "malformed", "event_id"),
    Bad("half a surrogate pair", b'{"event":"click","event_id":"\\ud800..."}', "malformed", "event_id"),
    Bad("nested too deep", raw(click(), b"more", b"[" * 100_000 + b"]" * 100_000), "malformed", "more"),
    Bad("empty", b"", "malformed"),
    Bad("null", b"null", "invalid"),
    Bad("a list", b"[]", "invalid"),
    Bad("a tombstone", None, "tombstone"),
    Bad("a time of letters", click(time="now"), "invalid", "time"),
    Bad("a time with a fraction", click(time=1.5), "invalid", "time"),
    Bad("a user of numbers", click(user_id=7), "invalid", "user_id"),
    Bad("an item that is null", raw(click(item_id=None), b"item_id", b"null"), "missing", "item_id"),
    Bad("no item", click(item_id=None), "missing", "item_id"),
    Bad("no event id", click(event_id=None), "missing", "event_id"),
    Bad("no kind", click(event=None), "missing", "event"),
    Bad("an unknown kind", click(event="wave"), "unknown_event", "event"),
    Bad("an item on the wrong topic", item(), "unknown_event", "event"),
    Bad("NaN", raw(click(event="rating"), b"value", b"NaN"), "malformed", "value"),
    Bad("infinity", raw(click(event="rating"), b"value", b"Infinity"), "malformed", "value"),
    Bad("minus infinity", raw(click(event="rating"), b"value", b"-Infinity"), "malformed", "value"),
    Bad("a number too large", raw(click(event="rating"), b"value", b"1e999"), "invalid", "value"),
    Bad("six stars", click(event="rating", value=6), "invalid", "value"),
    Bad("a negative dwell", click(event="dwell", milliseconds=-1), "invalid", "milliseconds"),
    Bad("an impression of nothing", click(event="impression", item_ids=[]), "invalid", "item_ids"),
    Bad("an empty id in a list", click(event="impression", item_ids=["p1", ""]), "invalid", "item_ids[1]"),
    Bad("an empty item id", click(item_id=""), "invalid", "item_id"),
    Bad("a giant item id", click(item_id="x" * 129), "invalid", "item_id"),
    Bad("a giant text", click(query="x" * 2_001), "invalid", "query"),
    Bad("a negative time", click(time=-1), "invalid", "time"),
    Bad("a time in the future", click(time=now() + 2 * DAY), "future", "time"),
    Bad("a time after the end of time", click(time=10**15), "invalid", "time"),
    Bad("somebody else's key", click(), "wrong_key", "key", b"other"),
    Bad("over 1 MiB", raw(click(), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
]
ITEMS = [
    Bad("not JSON", b"{", "malformed"),
    Bad("a negative price", item(price=-1), "invalid", "price"),
    Bad("NaN as price", raw(item(), b"price", b"NaN"), "malformed", "price"),
    Bad("a giant title", item(title="x" * 2_001), "invalid", "title"),
    Bad("too many categories", item(category=["x"] * 11), "invalid", "category"),
    Bad("an attribute of a strange type", item(attributes={"a": {"b": 1}}), "invalid", "attributes.a"),
    Bad("a vector of letters", item(image_vector=["x"]), "invalid", "image_vector[0]"),
    Bad("a time in the future", item(time=now() + 2 * DAY), "future", "time"),
    Bad("another item's key", item(), "wrong_key", "key", b"other"),
    Bad("over 1 MiB", raw(item(), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
    Bad("a click on the wrong topic", click(), "unknown_event", "event"),
    Bad("a tombstone of no item id", None, "wrong_key", "key", b"\xff"),
]
QUERIES = [
    Bad("cut off", query(request_id="cut")[:-1], "malformed", "time"),
    Bad("an unknown surface", query(request_id="surface", surface="shelf"), "invalid", "surface"),
    Bad("no results", query(request_id="least", limit=0), "invalid", "limit"),
    Bad("too many results", query(request_id="most", limit=101), "invalid", "limit"),
    Bad("a limit of letters", query(request_id="letters", limit="ten"), "invalid", "limit"),
    Bad("a giant text", query(request_id="text", text="x" * 2_001), "invalid", "text"),
    Bad("too many candidates", query(request_id="many", candidates=["x"] * 1_001), "invalid", "candidates"),
    Bad("a price of letters", query(request_id="price", filters={"price": {"max": "x"}}), "invalid", DEAREST),
    Bad("a time of letters", query(request_id="time", time="now"), "invalid", "time"),
    Bad("a negative time", query(request_id="before", time=-1), "invalid", "time"),
    Bad("a time in the future", query(request_id="future", time=now() + 2 * DAY), "future", "time"),
    Bad("a negative place", query(request_id="after", after={"partition": 0, "offset": -1}), "invalid", "after.offset"),
    Bad("a strange reply topic", query(request_id="reply", reply_topic="no topic"), "invalid", "reply_topic"),
    Bad("no such reply topic", query(request_id="gone", reply_topic="nowhere"), "unknown_topic", "reply_topic"),
    Bad("somebody else's key", query(request_id="key"), "wrong_key", "key", b"other"),
    Bad("over 1 MiB", raw(query(request_id="large"), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
    Bad("no request id", query(request_id=None), "missing", "request_id"),
    Bad("an empty request id", query(request_id=""), "invalid", "request_id"),
    Bad("a giant request id", query(request_id="x" * 129), "invalid", "request_id"),
    Bad("a tombstone", None, "tombstone"),
]
#: requests whose id cannot be read, or is no request id: nobody can be told
UNTOLD = ("no request id", "an empty request id", "a giant request id", "a tombstone")
