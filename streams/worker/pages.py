"""The web pages of a worker, on Faust's port: /health, /ready, /metrics, and the operator's /explain and /user.

The last two show what people did: keep the port to operators.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import faust
import msgspec
from faust.web import Request, Response, View

from streamrank_client.events import encode
from streams.errors import NotStored
from streams.lookup.desk import Desk
from streams.worker.metrics import Metrics


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


def add_pages(app: faust.App, worker: WorkerView) -> None:
    """Add the pages to a worker's app."""

    @app.page("/health")
    async def health(view: View, request: Request) -> Response:
        """200 while the process works."""
        return view.json({"status": "ok", "role": worker.role})

    @app.page("/ready")
    async def ready(view: View, request: Request) -> Response:
        """200 while the worker can do all its role's work, else 503 with the reasons."""
        reasons = worker.reasons()
        state: dict[str, Any] = {"ready": not reasons, "items": worker.items(), "reasons": reasons}
        return view.json(state, status=503 if reasons else 200)

    @app.page("/metrics")
    async def metrics(view: View, request: Request) -> Response:
        """All metrics, for Prometheus."""
        return view.bytes(worker.metrics.text(), content_type="text/plain; version=0.0.4")

    @app.page("/explain")
    async def explain(view: View, request: Request) -> Response:
        """A stored answer: `request_id`, and `user_id` where it is known."""
        request_id = request.query.get("request_id")
        if not request_id:
            return _wrong(view, "request_id: required, for example /explain?request_id=r1&user_id=u1")
        return await _page(view, worker, lambda: worker.desk.explain(request_id, request.query.get("user_id")))

    @app.page("/user")
    async def user(view: View, request: Request) -> Response:
        """A user: `user_id`, and `time` in Unix ms where it is not to be that of the newest event."""
        user_id, at = request.query.get("user_id"), request.query.get("time")
        if not user_id:
            return _wrong(view, "user_id: required, for example /user?user_id=u1")
        if at is not None and not at.isdigit():
            return _wrong(view, f"time: expected Unix milliseconds, not {at!r}")
        return await _page(view, worker, lambda: worker.desk.user(user_id, int(at) if at else None))


def _wrong(view: View, message: str) -> Response:
    return view.json({"error": message}, status=400)


async def _page(view: View, worker: WorkerView, look: Callable[[], Awaitable[msgspec.Struct]]) -> Response:
    """What is found as JSON; 404 where nothing is stored, 503 before the catalogue is read."""
    if not worker.tables_read():
        message = f"this worker (role {worker.role}) holds no catalogue, or not yet: ask one that answers queries"
        return view.json({"error": message}, status=503)
    try:
        found = await look()
    except NotStored as error:
        return view.json({"error": str(error)}, status=404)
    return view.bytes(encode(found), content_type="application/json")
