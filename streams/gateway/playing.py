"""``/playground/``: one page on which people try search and recommendation, and what it asks beside the gateway's own
paths. It is served without tokens only, so on this machine alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from streamrank_client.client import Client
from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item
from streams.gateway.bodies import body_of
from streams.gateway.following import Following
from streams.gateway.looking import Looking
from streams.gateway.posting import ACKNOWLEDGED_WITHIN
from streams.gateway.refusals import RefusedRequest
from streams.web.structs import as_json

__all__ = ["About", "Imported", "PastedTable", "Playground", "PlaygroundPages", "RefusedRow", "Shopper"]

_FILES: Final = Path(__file__).parent / "playground"
_TYPES: Final = {
    ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json",
    ".svg": "image/svg+xml", ".LICENSE": "text/plain",
}  # fmt: skip
#: pictures of items may come from anywhere, all else from here; nothing runs that stands in the page itself
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' http: https: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
#: titles that the answer to an import names, so that somebody can search for them
_NAMED: Final = 3


class Shopper(msgspec.Struct, frozen=True):
    """Somebody whose shop it may be, and what the log knows of them, in words."""

    user_id: str
    about: str


class About(msgspec.Struct, frozen=True):
    """What a page of the playground begins with: ``workers``, how many of them tell how they are."""

    shoppers: Sequence[Shopper]
    workers: int


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that gave no event."""

    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class PastedTable:
    """A table as events; ``refused``: how many rows gave none, ``refusals`` the first of them; ``told``: how it was
    read.
    """

    events: Sequence[Event]
    refused: int = 0
    refusals: Sequence[RefusedRow] = ()
    told: Sequence[str] = ()


class Imported(msgspec.Struct, frozen=True):
    """What became of a pasted table; ``titles``: some of its items."""

    accepted: int
    refused: int
    refusals: Sequence[RefusedRow]
    told: Sequence[str]
    titles: list[str]


@dataclass(frozen=True, slots=True)
class Playground:
    """What a playground is made with. ``read_table``: a table's bytes, the columns of its fields (``title=Name,…``) and
    its decimal sign to events, raising LogError.
    """

    read_table: Callable[[bytes, str, str], PastedTable]
    shoppers: tuple[Shopper, ...] = ()


class PlaygroundPages:
    """The page's files, and what it asks for."""

    def __init__(self, playground: Playground, client: Client, looking: Looking, following: Following) -> None:
        self._playground = playground
        self._client = client
        self._looking = looking
        self._following = following
        self._files = {
            path.relative_to(_FILES).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(_FILES.rglob("*"))
            if path.suffix in _TYPES
        }

    def add_to(self, app: web.Application) -> None:
        """Add the playground's routes."""
        app.router.add_get("/", self.home)
        app.router.add_get("/playground/about", self.about)
        app.router.add_get("/playground/metrics", self.metrics)
        app.router.add_get("/playground/weights", self._following.weights)
        app.router.add_post("/playground/import", self.import_table)
        app.router.add_get("/playground/{file:.*}", self.file)

    async def home(self, request: web.Request) -> web.Response:
        """Where the page is."""
        return web.Response(status=302, headers={"Location": "/playground/"})

    async def file(self, request: web.Request) -> web.Response:
        """A file of the page."""
        found = self._files.get(request.match_info["file"] or "index.html")
        if found is None:
            raise web.HTTPNotFound
        body, kind = found
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=_HEADERS)

    async def about(self, request: web.Request) -> web.Response:
        """Whom one may shop as."""
        return as_json(About(self._playground.shoppers, self._looking.workers), headers=_HEADERS)

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics of each worker, as Prometheus reads them."""
        return web.json_response(await self._looking.metrics(), headers=_HEADERS)

    async def import_table(self, request: web.Request) -> web.Response:
        """Publish the items of a table; ``map`` and ``decimal`` in the address."""
        raw = await body_of(request)
        maps, decimal = request.query.get("map", ""), request.query.get("decimal", ".")
        if decimal not in (".", ","):
            raise RefusedRequest(400, "invalid", "expected . or ,", "decimal", decimal[:40])
        try:
            table = await asyncio.to_thread(self._playground.read_table, raw, maps, decimal)
        except LogError as error:
            raise RefusedRequest(400, "invalid", str(error)) from None
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
                await self._client.publish_many(table.events)
        except TimeoutError:
            said = f"Kafka has not taken all of it within {ACKNOWLEDGED_WITHIN:g} s: send it again"
            raise RefusedRequest(503, "unavailable", said) from None
        titles = [event.title for event in table.events if isinstance(event, Item) and event.title]
        told = Imported(len(table.events), table.refused, table.refusals, table.told, titles[:_NAMED])
        return as_json(told, headers=_HEADERS)
