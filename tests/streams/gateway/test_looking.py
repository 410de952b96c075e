"""Users and explanations: asked of workers' own pages, with the operators' token, one after the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp.test_utils import TestServer

from streamrank_client.fields import Place
from streams.errors import NotStored
from streams.lookup.desk import Desk
from streams.offline.servers import HOST, free_port
from streams.settings import Settings
from streams.worker.metrics import Metrics
from streams.worker.pages import WorkerView, pages
from tests.streams.gateway.conftest import Opened, bearer, user_token

TOKEN = "a-token-of-operators"


@asynccontextmanager
async def worker(asked: list[object], *, tables_read: bool = True) -> AsyncIterator[str]:
    """The address of a worker's pages, which ask for a token; they find something for everybody but `nobody`."""

    async def found(*given: object) -> Place:
        asked.append(given)
        if "nobody" in given:
            raise NotStored("nothing is known of user 'nobody'")
        return Place(1, 2)

    desk = cast(Desk, SimpleNamespace(settings=Settings(operator_token=TOKEN), explain=found, user=found))
    view = WorkerView("query", list, lambda: tables_read, lambda: 3, Metrics(), desk)
    async with TestServer(pages(view)) as server:
        yield f"http://{server.host}:{server.port}"


async def test_the_next_worker_is_asked_where_one_does_not_answer(opened: Opened) -> None:
    """One is away, one holds no catalogue yet; whichever comes first in its turn."""
    asked: list[object] = []
    async with worker(asked) as ready, worker([], tables_read=False) as early:
        workers = f"http://{HOST}:{free_port()}/, {early}, {ready}"
        async with opened(gateway_workers=workers, operator_token=TOKEN) as calls:
            for _ in range(3):
                async with calls.get("/v1/users/u%2F1?time=5") as answer:
                    assert (answer.status, await answer.json()) == (200, {"partition": 1, "offset": 2})
            async with calls.get("/v1/explain/r1?user_id=u1") as answer:
                assert answer.status == 200
            async with calls.get("/v1/users/nobody") as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (404, "not_stored")
    assert asked == [("u/1", 5)] * 3 + [("r1", "u1"), ("nobody", None)]


async def test_a_users_token_asks_for_its_own_answers_only(opened: Opened, token_file: Path) -> None:
    """Whatever user the address names."""
    asked: list[object] = []
    async with (
        worker(asked) as ready,
        opened(gateway_workers=ready, operator_token=TOKEN, gateway_tokens=str(token_file)) as calls,
    ):
        mine = bearer(user_token("u1", "operate"))
        for query in ("", "?user_id=u2"):
            async with calls.get(f"/v1/explain/r1{query}", headers=mine) as answer:
                assert answer.status == 200
        async with calls.get("/v1/users/u1", headers=mine) as answer:
            assert answer.status == 200
        async with calls.get("/v1/users/u2", headers=mine) as answer:
            assert answer.status == 403
    assert asked == [("r1", "u1"), ("r1", "u1"), ("u1", None)]


@pytest.mark.parametrize("token", ["", "another-token-of-operators"])
async def test_a_worker_that_does_not_let_the_gateway_in_is_told_with_the_remedy(opened: Opened, token: str) -> None:
    """503, and no token in the message."""
    async with (
        worker([]) as ready,
        opened(gateway_workers=ready, operator_token=token) as calls,
        calls.get("/v1/users/u1") as answer,
    ):
        assert answer.status == 503
        error = (await answer.json())["error"]
    assert error["code"] == "no_worker"
    assert "STREAMRANK_OPERATOR_TOKEN" in error["message"]
    assert not token or token not in json.dumps(error)


async def test_without_any_worker_the_setting_is_named(opened: Opened) -> None:
    """As with one whose address is none."""
    for workers in ("", " , ", "not an address"):
        async with opened(gateway_workers=workers) as calls, calls.get("/v1/users/u1") as answer:
            assert answer.status == 503
            assert "STREAMRANK_GATEWAY_WORKERS" in (await answer.json())["error"]["message"]
