"""The web pages of a worker: /health, /ready, /metrics, and the operator's /explain and /user.

The last two show what people did. They ask for ``STREAMRANK_OPERATOR_TOKEN`` where there is one, and without one they
answer only on a loopback address.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from streamrank_client.hiding import hidden
from streamrank_client.settings import variable
from streams.errors import NotStored
from streams.lookup.desk import Desk
from streams.settings import Settings
from streams.web.access import bearer, is_loopback
from streams.web.structs import as_json
from streams.worker.metrics import Metrics

Page: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What the pages see of a worker. ``reasons``: why it is not ready; ``tables_read``: it has a catalogue, and has
    read it; ``items``: how many that holds.
    """

    role: str
    reasons: Callable[[], list[str]]
    tables_read: Callable[[], bool]
    items: Callable[[], int]
    metrics: Metrics
    desk: Desk


def closed_to_operators(settings: Settings) -> str | None:
    """Why the operator's pages are closed to everybody, None where they are not.

    >>> closed_to_operators(Settings(web_host="0.0.0.0"))
    '/explain and /user are closed: STREAMRANK_WEB_HOST=0.0.0.0 is no loopback address, set STREAMRANK_OPERATOR_TOKEN'
    >>> closed_to_operators(Settings()) is closed_to_operators(Settings(web_host="::", operator_token="x" * 16)) is None
    True
    """
    if settings.operator_token or is_loopback(settings.web_host):
        return None
    return (
        f"/explain and /user are closed: {variable('web_host')}={settings.web_host} is no loopback address, "
        f"set {variable('operator_token')}"
    )


def pages(worker: WorkerView) -> web.Application:
    """A worker's pages."""
    found = _Pages(worker)
    app = web.Application()
    app.add_routes([web.get(f"/{page.__name__}", page) for page in (found.health, found.ready, found.metrics)])
    app.add_routes([web.get(f"/{page.__name__}", found.for_operators(page)) for page in (found.explain, found.user)])
    return app


class _Pages:
    def __init__(self, worker: WorkerView) -> None:
        self._worker = worker
        self._token = worker.desk.settings.operator_token.encode()
        self._closed = closed_to_operators(worker.desk.settings)

    async def health(self, request: web.Request) -> web.Response:
        """200 while the process works."""
        return web.json_response({"status": "ok", "role": self._worker.role})

    async def ready(self, request: web.Request) -> web.Response:
        """200 while the worker can do all its role's work, else 503 with the reasons."""
        reasons = [hidden(reason, self._worker.desk.settings.secrets()) for reason in self._worker.reasons()]
        state: dict[str, Any] = {"ready": not reasons, "items": self._worker.items(), "reasons": reasons}
        return web.json_response(state, status=503 if reasons else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics, for Prometheus."""
        form = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._worker.metrics.text(), headers=form)

    async def explain(self, request: web.Request) -> web.Response:
        """A stored answer: `request_id`, and `user_id` where it is known."""
        request_id = request.query.get("request_id")
        if not request_id:
            return _error(400, "request_id: required, for example /explain?request_id=r1&user_id=u1")
        return await self._found(lambda: self._worker.desk.explain(request_id, request.query.get("user_id")))

    async def user(self, request: web.Request) -> web.Response:
        """A user: `user_id`, and `time` in Unix ms where it is not to be that of the newest event."""
        user_id, at = request.query.get("user_id"), request.query.get("time")
        if not user_id:
            return _error(400, "user_id: required, for example /user?user_id=u1")
        if at is not None and not (at.isdecimal() and len(at) < 15):
            return _error(400, f"time: expected Unix milliseconds, not {at[:40]!r}")
        return await self._found(lambda: self._worker.desk.user(user_id, int(at) if at else None))

    def for_operators(self, page: Page) -> Page:
        """The page, for those who may see it."""

        async def guarded(request: web.Request) -> web.Response:
            if self._closed is not None:
                return _error(403, self._closed)
            if self._token and not hmac.compare_digest(bearer(request), self._token):
                said = f"send the header `Authorization: Bearer` with the value of {variable('operator_token')}"
                return _error(401, said, {"WWW-Authenticate": "Bearer"})
            return await page(request)

        return guarded

    async def _found(self, look: Callable[[], Awaitable[msgspec.Struct]]) -> web.Response:
        """What is found as JSON; 404 where nothing is stored, 503 before the catalogue is read."""
        if not self._worker.tables_read():
            role = self._worker.role
            return _error(503, f"this worker (role {role}) holds no catalogue, or not yet: ask one of role query")
        try:
            found = await look()
        except NotStored as error:
            return _error(404, str(error))
        return as_json(found)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": message}, status=status, headers=headers)
