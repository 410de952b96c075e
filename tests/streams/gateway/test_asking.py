"""Queries before they are sent: what is filled in, and what is refused."""

from __future__ import annotations

import pytest

from streamrank_client.fields import Place
from streamrank_client.making import now
from streams.gateway.asking import query_of, unknown_in
from streams.gateway.refusals import RefusedRequest
from streams.gateway.tokens import ANYBODY, Caller
from tests.streams.gateway.conftest import Opened

BOUND = Caller("user u1", frozenset(("ask",)), "u1")


def test_a_query_needs_no_field() -> None:
    """Its time is now, its request id is new, and its user is the token's."""
    before = now()
    found, other = query_of(b"{}", ANYBODY), query_of(b'{"event":"query","text":null}', BOUND)
    assert before <= found.time <= now()
    assert found.user_id is None
    assert found.request_id != other.request_id
    assert other.user_id == "u1"


def test_every_field_of_a_query_goes_on() -> None:
    """As the caller gave it, its id and time too."""
    raw = (
        b'{"request_id":"r1","time":5,"user_id":"u2","text":"tea","limit":3,"filters":{"brand":["x",null]},'
        b'"after":{"partition":3,"offset":7},"explain":true,"facets":["brand"],"unknown":1}'
    )
    found = query_of(raw, ANYBODY)
    assert (found.request_id, found.time, found.user_id, found.limit, found.facets) == ("r1", 5, "u2", 3, ["brand"])
    assert found.filters is not None
    assert found.filters.brand == ["x"]
    assert found.after == Place(partition=3, offset=7)


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        (b'{"limit":0}', "limit", 0),
        (b'{"limit":"3"}', "limit", "3"),
        (b'{"event":"click"}', "event", "click"),
        (b'{"reply_topic":"mine"}', "reply_topic", "mine"),
        (b'{"time":1700000000}', "time", 1_700_000_000),
        (b'{"filters":{"price":{"min":3,"max":2}}}', "filters.price", "an object of 2"),
        (b"[]", "", None),
        (b"{", "", None),
        (b'{"text":"\xff"}', "text", None),
    ],
)
def test_a_wrong_field_is_named_with_its_value(raw: bytes, field: str, value: object) -> None:
    """And the status is 400."""
    with pytest.raises(RefusedRequest) as raised:
        query_of(raw, ANYBODY)
    assert (raised.value.status, raised.value.body.error.field) == (400, field)
    assert raised.value.body.error.value == value


@pytest.mark.parametrize("text", ["0", "30001", "soon", "-1", "1e3", "９", ""])
async def test_a_time_that_cannot_be_waited_is_refused(opened: Opened, text: str) -> None:
    """The parameter is named."""
    async with opened() as calls, calls.post("/v1/ask", params={"timeout_ms": text}, data="{}") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["field"] == "timeout_ms"


async def test_a_place_that_is_none_is_refused_in_the_header_and_passed_over_in_a_cookie(opened: Opened) -> None:
    """A header is what the caller means; a cookie is what a browser happens to have."""
    async with opened() as calls:
        async with calls.post("/v1/ask", data='{"user_id":"u"}', headers={"Streamrank-After": "soon"}) as answer:
            assert (answer.status, (await answer.json())["error"]["field"]) == (400, "Streamrank-After")
        async with calls.post("/v1/ask", data='{"user_id":"u"}', cookies={"streamrank_after": "soon"}) as answer:
            assert answer.status == 503


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b'{"txt":"tea","limit":3}', "txt"),
        (b'{"event":"query","text":"tea","filters":{"brand":["a"]}}', ""),
        ('{"grün":1,"a\\r\\nb":2}'.encode(), "gr%C3%BCn, a%0D%0Ab"),
        (b"{" + b",".join(b'"f%d":1' % n for n in range(99)) + b"}", ", ".join(f"f{n}" for n in range(10))),
    ],
)
def test_fields_that_no_query_has_are_told_in_a_header(raw: bytes, told: str) -> None:
    """At most ten, and nothing that a header may not hold."""
    assert unknown_in(raw) == told
