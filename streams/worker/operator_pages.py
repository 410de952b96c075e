"""The operator's pages of a worker: /explain and /user, JSON. They show what people did: keep the port to operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from faust.web import Request, Response, View

from streams.errors import NotStored
from streamrank_client.events import encode
from streams.lookup.desk import Desk

if TYPE_CHECKING:
    from streams.worker.app import Worker


def add_operator_pages(worker: Worker) -> None:
    """Add the pages to a worker. Workers that hold no catalogue answer 503."""
    desk = Desk(worker.settings, worker.store, worker.brain)

    @worker.app.page("/explain")
    async def explain(view: View, request: Request) -> Response:
        """A stored answer: `request_id`, and `user_id` where it is known."""
        request_id = request.query.get("request_id")
        if not request_id:
            return _wrong(view, "request_id: required, for example /explain?request_id=r1&user_id=u1")
        return await _page(view, worker, lambda: desk.explain(request_id, request.query.get("user_id")))

    @worker.app.page("/user")
    async def user(view: View, request: Request) -> Response:
        """A user: `user_id`, and `time` in Unix ms where it is not to be that of the newest event."""
        user_id, at = request.query.get("user_id"), request.query.get("time")
        if not user_id:
            return _wrong(view, "user_id: required, for example /user?user_id=u1")
        if at is not None and not at.isdigit():
            return _wrong(view, f"time: expected Unix milliseconds, not {at!r}")
        return await _page(view, worker, lambda: desk.user(user_id, int(at) if at else None))


def _wrong(view: View, message: str) -> Response:
    return view.json({"error": message}, status=400)


async def _page(view: View, worker: Worker, look: Callable[[], Awaitable[msgspec.Struct]]) -> Response:
    """What is found as JSON; 404 where nothing is stored, 503 before the catalogue is read."""
    if not worker.readers or not all(reader.ready for reader in worker.readers):
        message = f"this worker (role {worker.role}) holds no catalogue, or not yet: ask one that answers queries"
        return view.json({"error": message}, status=503)
    try:
        found = await look()
    except NotStored as error:
        return view.json({"error": str(error)}, status=404)
    return view.bytes(encode(found), content_type="application/json")
