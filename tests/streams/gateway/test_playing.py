"""The playground's files and what it asks for, from a gateway without Kafka."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streamrank_client.client import Client
from streamrank_client.errors import LogError, SettingsError
from streamrank_client.events import Event, Item
from streams.gateway import playing
from streams.gateway.app import Gateway
from streams.gateway.playing import PastedTable, Playground, RefusedRow, Shopper
from streams.gateway.tokens import Tokens
from streams.offline.servers import HOST, free_port
from streams.settings import Settings, checkout
from tests.streams.gateway.conftest import Calls
from tests.support.vendored import manifest

PAGE = Path(playing.__file__).parent / "playground"


class Publishing(Client):
    """A client that keeps what it is to publish."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings=settings)
        self.published: list[Event] = []

    async def publish_many(self, events: Any) -> list[Any]:
        """Keep the events."""
        self.published += events
        return []


def read(raw: bytes, maps: str, decimal: str) -> PastedTable:
    """One item a line; the line `?` is refused, and the columns `x=y` are none."""
    if maps:
        raise LogError(f"--map names {maps!r}, but no row has it")
    lines = raw.decode().split("\n")
    items = [Item(time=1, item_id=line, title=f"{line}{decimal}") for line in lines if line != "?"]
    return PastedTable(items, 1, [RefusedRow(2, "price", "none")], ["read as told"])


@asynccontextmanager
async def playground(**changed: object) -> AsyncIterator[tuple[Calls, Publishing]]:
    """Calls of a gateway with a playground, and its client."""
    settings = replace(Settings(), **changed)  # type: ignore[arg-type]
    client = Publishing(settings)
    gateway = Gateway(settings, client, None, Playground(read, (Shopper("u1", "3 purchases"),)))
    async with TestClient(TestServer(gateway.app)) as calls:
        yield calls, client
        await gateway.stop()


async def test_the_page_and_all_that_it_loads_are_served() -> None:
    """With a policy that lets nothing run which does not come from here; the address of the gateway leads there."""
    async with playground() as (calls, _):
        async with calls.get("/") as answer:
            assert answer.url.path == "/playground/"
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            page = await answer.text()
        modules = [f'"./{path.name}"' for path in PAGE.glob("*.js")]
        for path in PAGE.rglob("*"):
            if path.suffix in (".js", ".css", ".svg"):
                async with calls.get(f"/playground/{path.relative_to(PAGE).as_posix()}") as answer:
                    assert (answer.status, await answer.read()) == (200, path.read_bytes())
        for name in ("../app.py", "%2e%2e/app.py", "nothing.js", "vendor"):
            async with calls.get(f"/playground/{name}") as answer:
                assert answer.status == 404, name
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", page)
    loaded = "".join(path.read_text() for path in PAGE.glob("*.js")) + '"./app.js"'
    assert [module for module in modules if module not in loaded] == []


async def test_a_gateway_without_it_serves_no_page(opened: Any) -> None:
    """It is served where it was asked for only."""
    async with opened() as calls, calls.get("/playground/") as answer:
        assert answer.status == 404


def test_it_is_not_served_beside_tokens(token_file: Path) -> None:
    """A page that needs none would be of no use, or would give away what others ask."""
    settings = Settings(gateway_tokens=str(token_file))
    with pytest.raises(SettingsError, match="STREAMRANK_GATEWAY_TOKENS"):
        Gateway(settings, Client(settings=settings), Tokens(token_file), Playground(read))


async def test_shoppers_and_workers_are_told() -> None:
    """Whom one may shop as, and how many workers give figures."""
    workers = "http://127.0.0.1:1,http://127.0.0.1:2"
    async with playground(gateway_workers=workers) as (calls, _), calls.get("/playground/about") as answer:
        assert await answer.json() == {"shoppers": [{"user_id": "u1", "about": "3 purchases"}], "workers": 2}


async def test_metrics_are_those_of_workers_that_answer() -> None:
    """One that is away is left out."""

    async def told(request: web.Request) -> web.Response:
        return web.Response(text="up 1\n")

    worker = web.Application()
    worker.router.add_get("/metrics", told)
    async with TestServer(worker) as server:
        here = f"http://{server.host}:{server.port}"
        workers = f"http://{HOST}:{free_port()},{here}"
        async with playground(gateway_workers=workers) as (calls, _), calls.get("/playground/metrics") as answer:
            assert await answer.json() == {here: "up 1\n"}


async def test_a_table_is_published_and_refused_rows_are_told() -> None:
    """Its items go to Kafka; the answer names some of them."""
    async with (
        playground() as (calls, client),
        calls.post("/playground/import?decimal=,", data=b"a\n?\nb") as answer,
    ):
        told = await answer.json()
    assert told == {
        "accepted": 2,
        "refused": 1,
        "refusals": [{"row": 2, "field": "price", "message": "none"}],
        "told": ["read as told"],
        "titles": ["a,", "b,"],
    }
    assert [event.item_id for event in client.published if isinstance(event, Item)] == ["a", "b"]


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [("?map=x%3Dy", 400, "'x=y'"), ("?decimal=;", 400, "decimal"), ("", 400, "empty")],
)
async def test_what_is_no_table_is_refused(address: str, status: int, said: str) -> None:
    """With what is wrong with it, and nothing is published."""
    async with playground() as (calls, client):
        data = b"" if not address else b"a"
        async with calls.post(f"/playground/import{address}", data=data) as answer:
            assert answer.status == status
            assert said in await answer.text()
    assert client.published == []


@pytest.mark.parametrize("folder", [PAGE / "vendor", checkout() / "tests" / "support" / "browser"])
def test_vendored_files_are_what_their_publishers_made(folder: Path) -> None:
    """By the hashes of the manifest, which names a licence for each."""
    files = manifest(folder)
    for one in files:
        assert hashlib.sha256((folder / one.file).read_bytes()).hexdigest() == one.sha256, one.file
        assert one.licence in ("MIT", "Apache-2.0", "MPL-2.0")
        assert (folder / f"{one.file.partition('.')[0]}.LICENSE").exists() or one.file == "hooks.js"
    foreign = {path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".py"} - {"manifest.json"}
    assert foreign == {one.file for one in files}
