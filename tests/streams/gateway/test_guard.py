"""Who is let in: tokens and scopes, users with signed tokens, rates, pages of other origins."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from streams.gateway.guard import AT_ONCE, origins_of
from tests.streams.gateway.conftest import Opened, bearer, user_token

#: by method and path: the scope that it needs
NEEDED = {
    ("POST", "/v1/events"): "publish",
    ("POST", "/v1/items"): "publish",
    ("POST", "/v1/ask"): "ask",
    ("GET", "/v1/answers?user_id=u1"): "ask",
    ("GET", "/v1/dead-letters"): "operate",
    ("GET", "/v1/users/u1"): "operate",
    ("GET", "/v1/explain/r1"): "operate",
}


@pytest.mark.parametrize(("method", "path"), NEEDED)
async def test_each_door_asks_for_a_token_with_its_scope(
    opened: Opened, token_file: Path, method: str, path: str
) -> None:
    """401 without one that is known, 403 with another scope; none of the pages for everybody asks."""
    async with opened(gateway_tokens=str(token_file)) as calls:
        for headers in ({}, bearer("wrong-wrong-wrong-wrong"), {"Authorization": "Basic x"}, bearer("")):
            async with calls.request(method, path, headers=headers) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert (await answer.json())["error"]["code"] == "token"
        for scope in {"publish", "ask", "operate"} - {NEEDED[method, path]}:
            async with calls.request(method, path, headers=bearer(scope * 6)) as answer:
                assert answer.status == 403
                assert (await answer.json())["error"]["message"].endswith(f"its scopes are {scope}")


async def test_everybody_sees_health_metrics_and_the_document(opened: Opened, token_file: Path) -> None:
    """Readiness too; it is not asked here, since there is no Kafka."""
    async with opened(gateway_tokens=str(token_file)) as calls:
        for path in ("/health", "/metrics", "/openapi.json"):
            async with calls.get(path) as answer:
                assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/events", '{"event":"click","item_id":"p1","user_id":"u2"}'),
        ("POST", "/v1/events", '{"event":"view","item_id":"p1","user_id":"U1"}'),
        ("POST", "/v1/items", '{"event":"delete","item_id":"p1"}'),
        ("POST", "/v1/ask", '{"user_id":"u2"}'),
        ("POST", "/v1/ask", '{"user_id":7}'),
        ("POST", "/v1/ask", '{"request_id":"r1"}'),
        ("GET", "/v1/answers?user_id=u2", None),
        ("GET", "/v1/users/u2", None),
        ("GET", "/v1/dead-letters", None),
    ],
)
async def test_a_users_token_acts_for_nobody_else_and_shows_nobody_else(
    opened: Opened, token_file: Path, method: str, path: str, body: str | None
) -> None:
    """With whatever scopes."""
    async with opened(gateway_tokens=str(token_file)) as calls:
        headers = bearer(user_token(scope="publish ask operate"))
        async with calls.request(method, path, data=body, headers=headers) as answer:
            assert answer.status == 403
            assert (await answer.json())["error"]["code"] == "user"


async def test_lines_of_another_user_are_refused_by_number(opened: Opened, token_file: Path) -> None:
    """Those of the token's own user are not."""
    lines = '{"event":"click","item_id":"p1","user_id":"u2"}\n{"event":"click","user_id":"u3","item_id":"p1"}'
    async with (
        opened(gateway_tokens=str(token_file)) as calls,
        calls.post("/v1/events", data=lines, headers=bearer(user_token())) as answer,
    ):
        assert answer.status == 400
        found = await answer.json()
    assert found["error"]["code"] == "refused"
    assert [(one["line"], one["field"], one["value"]) for one in found["refused"]] == [
        (1, "user_id", "u2"),
        (2, "user_id", "u3"),
    ]


async def test_only_a_users_token_may_stand_in_an_address_and_only_for_a_stream(
    opened: Opened, token_file: Path
) -> None:
    """An address is written into logs, and a shop's token holds for ever."""
    async with opened(gateway_tokens=str(token_file)) as calls:
        for path, code in (
            (f"/v1/answers?access_token={'ask' * 6}", "token"),
            (f"/v1/answers?access_token={user_token()}&user_id=u2", "user"),
            (f"/v1/users/u1?access_token={user_token(scope='operate')}", "token"),
        ):
            async with calls.get(path) as answer:
                assert (await answer.json())["error"]["code"] == code


async def test_who_is_over_the_rate_is_told_when_to_come_again(opened: Opened, token_file: Path) -> None:
    """By token: a batch counts as many as it has lines, and others go on."""
    event = '{"event":"click","item_id":"p1","user_id":"u1"}'
    async with opened(gateway_tokens=str(token_file), gateway_rate=5.0, gateway_user_rate=1.0) as calls:
        async with calls.post("/v1/events", data="\n".join([event] * 20), headers=bearer("publish" * 6)) as answer:
            assert answer.status == 503  # let in: there is no Kafka here
        async with calls.post("/v1/events", data=event, headers=bearer("publish" * 6)) as answer:
            assert answer.status == 429
            assert int(answer.headers["Retry-After"]) >= 3
        async with calls.post("/v1/ask", data="{}", headers=bearer("ask" * 6)) as answer:
            assert answer.status == 503
        statuses = []
        for user in ("u1", "u1", "u2"):
            async with calls.post("/v1/ask", data="{}", headers=bearer(user_token(user))) as answer:
                statuses.append(answer.status)
        assert statuses == [503, 429, 503]


async def test_a_page_of_another_origin_is_refused_unless_it_is_named(opened: Opened) -> None:
    """A named one may ask before, and read what comes back, errors too; its own page needs no permission."""
    async with opened(gateway_origins="https://shop.example") as calls:
        evil, shop = {"Origin": "https://evil.example"}, {"Origin": "https://shop.example"}
        for method in ("POST", "OPTIONS"):
            async with calls.request(method, "/v1/ask", headers=evil) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers
        async with calls.options("/v1/ask", headers=shop) as answer:
            assert answer.status == 204
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        async with calls.post("/v1/ask", data="[]", headers=shop) as answer:
            assert answer.status == 400
            assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
            assert "Streamrank-After" in answer.headers["Access-Control-Expose-Headers"]
        own = {"Origin": f"http://{calls.host}:{calls.port}"}
        async with calls.post("/v1/ask", data="[]", headers=own) as answer:
            assert answer.status == 400


async def test_without_tokens_no_name_from_elsewhere_leads_in(opened: Opened, token_file: Path) -> None:
    """A page whose own name was made to lead to this machine is refused; with tokens, names are nobody's business."""
    async with opened() as calls:
        async with calls.get("/v1/users/u1", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403
            assert (await answer.json())["error"]["code"] == "host"
        async with calls.get("/health", headers={"Host": "localhost:80"}) as answer:
            assert answer.status == 200
    shop = {"Host": "shop.example"}
    async with opened(gateway_tokens=str(token_file)) as calls, calls.get("/health", headers=shop) as answer:
        assert answer.status == 200


def test_no_origin_is_named_by_default() -> None:
    """CORS is off."""
    assert origins_of("") == frozenset()


async def test_a_user_cannot_hold_all_connections(opened: Opened, token_file: Path) -> None:
    """So many streams at once, and no more until one ends; others are let in meanwhile."""
    async with opened(gateway_tokens=str(token_file)) as calls, AsyncExitStack() as streams:
        path = "/v1/answers"
        open_ = [
            await streams.enter_async_context(calls.get(path, headers=bearer(user_token()))) for _ in range(AT_ONCE)
        ]
        assert {answer.status for answer in open_} == {200}
        async with calls.get(path, headers=bearer(user_token())) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        async with calls.get(path, headers=bearer(user_token("u2"))) as answer:
            assert answer.status == 200
        open_[0].close()
        async with asyncio.timeout(10):
            status = 429
            while status == 429:
                async with calls.get(path, headers=bearer(user_token())) as answer:
                    status = answer.status
        assert status == 200
