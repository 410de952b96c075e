"""What is posted: taken as it is, filled in, or refused with its field, value and reason."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamrank_client.asyncapi import EXAMPLES
from streamrank_client.client import Client
from streamrank_client.events import Click, decode_behavior, decode_item
from streamrank_client.making import now
from streamrank_client.partitioner import partition_for
from streamrank_client.routing import BEHAVIORS, IDENTIFY, ITEM_TAGS
from streams.gateway.guard import Guard
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.posting import EVENTS, ITEMS, Door, Posting
from streams.gateway.refusals import RefusedRequest
from streams.gateway.tokens import ANYBODY, Caller
from streams.settings import Settings
from tests.streams.gateway.conftest import Opened

BOUND = Caller("user u1", frozenset(("publish",)), "u1")


@pytest.fixture
def posting() -> Posting:
    """Posting to no Kafka."""
    return Posting(Client(settings=Settings(partitions=4)), Guard(None), GatewayMetrics())


@pytest.mark.parametrize("tag", sorted({*BEHAVIORS, IDENTIFY, *ITEM_TAGS}))
def test_a_whole_event_goes_on_byte_by_byte(posting: Posting, tag: str) -> None:
    """Also with fields that nobody here knows, on the topic and partition of its key."""
    raw = json.dumps({**EXAMPLES[tag], "shop_field": 7}).encode()
    door = ITEMS if tag in ITEM_TAGS else EVENTS
    record = posting.ready(raw, door, ANYBODY)
    assert record.raw == raw
    wanted = "item-events" if tag in ITEM_TAGS else "behavior-events"
    assert record.route.spec.name == wanted
    assert record.route.key is not None
    assert record.route.partition == partition_for(record.route.key, 4)
    assert record.user_id == ("u1" if tag in BEHAVIORS else None)


def test_what_can_be_made_up_is(posting: Posting) -> None:
    """The id of a behaviour, the time, and a bound token's user; null is as if it were not there."""
    before = now()
    click = decode_behavior(posting.ready(b'{"event":"click","item_id":"p1","time":null,"x":1}', EVENTS, BOUND).raw)
    again = decode_behavior(posting.ready(b'{"event":"click","item_id":"p1"}', EVENTS, BOUND).raw)
    assert isinstance(click, Click)
    assert isinstance(again, Click)
    assert click.user_id == "u1"
    assert before <= click.time <= now()
    assert click.event_id != again.event_id
    raw = posting.ready(b'{"event":"delete","item_id":"p1"}', ITEMS, ANYBODY).raw
    assert before <= decode_item(raw).time <= now()
    assert b"event_id" not in raw


@pytest.mark.parametrize(
    ("raw", "door", "code", "field", "value", "said"),
    [
        (b'{"event":"click","user_id":"u1"}', EVENTS, "missing", "item_id", None, "required"),
        (b'{"event":"click","item_id":"p1"}', EVENTS, "missing", "user_id", None, "required"),
        (b'{"event":"click","user_id":"u1","item_id":"p1","time":"now"}', EVENTS, "invalid", "time", "now", "int"),
        (b'{"event":"click","user_id":"u1","item_id":"p1","time":1700000000}', EVENTS, "invalid", "time", 1700000000,
         "send milliseconds"),
        (b'{"event":"rating","user_id":"u1","item_id":"p1","value":9}', EVENTS, "invalid", "value", 9, "<= 5"),
        (b'{"event":"klick","user_id":"u1","item_id":"p1"}', EVENTS, "unknown_event", "event", "klick", "klick"),
        (b'{"user_id":"u1","item_id":"p1"}', EVENTS, "missing", "event", None, "required"),
        (b'{"event":"item","item_id":"p1"}', EVENTS, "unknown_event", "event", "item", "post it to /v1/items"),
        (b'{"event":"click","item_id":"p1"}', ITEMS, "unknown_event", "event", "click", "post it to /v1/events"),
        (b'{"event":"query","text":"tea"}', EVENTS, "unknown_event", "event", "query", "post it to /v1/ask"),
        (b'{"event":"item","item_id":"p1","price":NaN}', ITEMS, "malformed", "price", None, "leave the field out"),
        (b'{"event":"item","item_id":"p1","attributes":{"size":{}}}', ITEMS, "invalid", "attributes.size",
         "an object of 0", "Expected"),
        (b'{"event":"rule","rule_id":"r","action":"pin"}', ITEMS, "missing", "item_ids", None, "name at least one"),
        (b'{"event":"item","item_id":"p1","title":"' + b"x" * 2_001 + b'"}', ITEMS, "invalid", "title",
         "'" + "x" * 40 + "…' of 2001 characters", "2000"),
        (b"[1]", EVENTS, "invalid", "", None, "lines of JSON"),
        (b"click", EVENTS, "malformed", "", None, "JSON"),
        (b'{"event":"click","user_id":"\xff"}', EVENTS, "malformed", "user_id", None, ""),
        (b"[" * 100_000, EVENTS, "invalid", "", None, "object"),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_field_and_value(
    posting: Posting, raw: bytes, door: Door, code: str, field: str, value: object, said: str
) -> None:
    """With a sentence for people."""
    with pytest.raises(RefusedRequest) as raised:
        posting.ready(raw, door, ANYBODY)
    why = raised.value.body.error
    assert (why.code, why.field, raised.value.status) == (code, field, 400)
    assert why.value == value
    assert said in why.message


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "missing"),
        (b" \n ", 400, "missing"),
        (b"x" * (1 << 20) + b"x", 413, "too_large"),
        (b"{}\n" * 10_001, 413, "too_large"),
        (b'{"event":"click"}', 400, "missing"),
        (b'{\n"event":"click"\n}', 400, "missing"),
        (b'{"event":"click"}\n{"event":"view"}', 400, "refused"),
    ],
    ids=["empty", "blank", "too large", "too many lines", "one", "one over lines", "two"],
)
async def test_a_body_is_one_event_or_lines_within_bounds(opened: Opened, body: bytes, status: int, code: str) -> None:
    """Whatever its content type is."""
    async with opened() as calls:
        for content_type in ("application/x-www-form-urlencoded", "text/plain"):
            async with calls.post("/v1/events", data=body, headers={"Content-Type": content_type}) as answer:
                assert answer.status == status
                assert (await answer.json())["error"]["code"] == code


async def test_a_body_that_grows_as_it_comes_is_refused(opened: Opened) -> None:
    """Without a length said before, or packed into a small one."""

    async def chunks() -> object:
        for _ in range(40):
            yield b" " * 65_536

    packed = {"Content-Encoding": "gzip"}
    async with opened() as calls:
        async with calls.post("/v1/items", data=chunks()) as answer:
            assert answer.status == 413
        async with calls.post("/v1/items", data=gzip.compress(b" " * (40 << 20)), headers=packed) as answer:
            assert answer.status == 413
        async with calls.post("/v1/items", data=gzip.compress(b"[]"), headers=packed) as answer:
            assert (await answer.json())["error"]["code"] == "invalid"


async def test_what_does_not_reach_kafka_is_not_accepted(opened: Opened) -> None:
    """503, with the advice to send it again, and counted as such."""
    async with opened() as calls:
        async with calls.post("/v1/events", json={"event": "view", "user_id": "u", "item_id": "p"}) as answer:
            assert answer.status == 503
            assert "send them again" in (await answer.json())["error"]["message"]
        async with calls.get("/metrics") as answer:
            told = await answer.text()
    assert 'streamrank_gateway_events_total{outcome="unacknowledged"} 1.0' in told
    assert 'streamrank_gateway_requests_total{route="/v1/events",status="503"} 1.0' in told


async def test_every_series_of_a_route_is_there_from_the_start(opened: Opened) -> None:
    """With 0, so that an alarm on the first refusal can see it."""
    async with opened() as calls, calls.get("/metrics") as answer:
        told = await answer.text()
    for line in (
        'streamrank_gateway_requests_total{route="/v1/ask",status="504"} 0.0',
        'streamrank_gateway_requests_total{route="/v1/events",status="202"} 0.0',
        'streamrank_gateway_seconds_count{route="/v1/users/{user_id}"} 0.0',
        'streamrank_gateway_streams{route="/v1/answers"} 0.0',
        'streamrank_gateway_events_total{outcome="refused"} 0.0',
    ):
        assert line in told.splitlines()


async def test_no_more_waits_for_kafka_than_there_is_memory_for(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes beyond is refused at once, and what ended makes room."""
    monkeypatch.setattr("streams.gateway.posting.MOST_UNDER_WAY", 400)
    event = {"event": "view", "user_id": "u", "item_id": "p"}
    async with opened() as calls:
        for item_id, code in (("p" * 100, "unavailable"), ("p" * 400, "busy"), ("p", "unavailable")):
            async with calls.post("/v1/events", json={**event, "item_id": item_id[:128], "query": item_id}) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (503, code)


async def test_what_is_not_there_is_told_as_json(opened: Opened, tmp_path: Path) -> None:
    """404 and 405 with the methods allowed."""
    async with opened() as calls:
        async with calls.get("/v2/events") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_found")
        async with calls.get("/v1/events") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (405, "method_not_allowed")
            assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("claimed", "given", "wrong"),
    [
        ("visitor-7", {"anonymous_id": "visitor-7"}, None),
        ("visitor-7", {"anonymous_id": "visitor-7", "user_id": "u1"}, None),
        ("visitor-7", {"anonymous_id": "visitor-7", "user_id": "u2"}, "user_id"),
        ("visitor-7", {"anonymous_id": "u2"}, "anonymous_id"),
        (None, {"anonymous_id": "visitor-7"}, "anonymous_id"),
    ],
)
def test_a_user_takes_over_only_the_visitor_that_the_token_names(
    posting: Posting, claimed: str | None, given: dict[str, str], wrong: str | None
) -> None:
    """Into its own account; nobody else's history can be taken, and a login is nobody's last place."""
    caller = replace(BOUND, anonymous_id=claimed)
    raw = json.dumps({"event": "identify", **given}).encode()
    if wrong is not None:
        with pytest.raises(RefusedRequest) as refused:
            posting.ready(raw, EVENTS, caller)
        assert (refused.value.status, refused.value.body.error.field) == (403, wrong)
        return
    record = posting.ready(raw, EVENTS, caller)
    assert (record.route.key, record.user_id) == (b"visitor-7", None)
    assert json.loads(record.raw)["user_id"] == "u1"
