"""A worker's pages: what everybody may see, and what only operators may."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streamrank_client.fields import Place
from streams.lookup.desk import Desk
from streams.settings import Settings
from streams.worker.metrics import Metrics
from streams.worker.pages import WorkerView, pages

TOKEN = "a-token-of-operators"
OPERATORS = ("/explain?request_id=r1", "/user?user_id=u1")


async def statuses(settings: Settings, *paths: str, **headers: str) -> list[int]:
    """The status of each page, with a desk that finds something for everybody."""

    async def found(*_: object) -> Place:
        return Place(1, 2)

    desk = cast(Desk, SimpleNamespace(settings=settings, explain=found, user=found))
    view = WorkerView("all", list, lambda: True, lambda: 3, Metrics(), desk)
    async with TestClient(TestServer(pages(view))) as client:
        return [(await client.get(path, headers=headers)).status for path in paths]


async def test_everybody_sees_health_readiness_and_metrics_and_nothing_of_fausts() -> None:
    """Faust's own pages are not there."""
    there = ("/health", "/ready", "/metrics")
    assert await statuses(Settings(web_host="0.0.0.0"), *there) == [200] * 3
    gone = ("/", "/router", "/table", "/table/x", "/graph", "/stats", "/production", "/performance")
    assert await statuses(Settings(), *gone) == [404] * len(gone)


async def test_operators_pages_are_open_on_a_loopback_address_without_a_token() -> None:
    """Only this machine reaches them."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert await statuses(Settings(web_host=host), *OPERATORS) == [200, 200]


async def test_operators_pages_are_closed_on_other_addresses_without_a_token() -> None:
    """Whatever a request shows."""
    for host in ("0.0.0.0", "::", "10.0.0.7", "shop.example"):
        assert await statuses(Settings(web_host=host), *OPERATORS) == [403, 403]
        assert await statuses(Settings(web_host=host), *OPERATORS, Authorization="Bearer ") == [403, 403]


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
async def test_operators_pages_ask_for_the_token_where_there_is_one(host: str) -> None:
    """The whole of it, by its scheme."""
    settings = Settings(web_host=host, operator_token=TOKEN)
    assert await statuses(settings, *OPERATORS) == [401, 401]
    assert await statuses(settings, *OPERATORS, Authorization=f"Bearer {TOKEN}") == [200, 200]
    assert await statuses(settings, *OPERATORS, Authorization=f"bearer {TOKEN}") == [200, 200]
    for wrong in ("Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xe9"):
        assert await statuses(settings, *OPERATORS, Authorization=wrong) == [401, 401]
    assert await statuses(settings, "/health", "/ready", "/metrics") == [200] * 3
