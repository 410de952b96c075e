"""``GET /v1/users/{id}`` and ``/v1/explain/{request_id}``: what a query worker tells, which has the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Final

import aiohttp
import msgspec
from aiohttp import web

from streamrank_client.settings import variable
from streams.gateway.guard import Guard
from streams.gateway.refusals import RefusedRequest
from streams.settings import Settings

__all__ = ["Looking"]

_WITHIN: Final = aiohttp.ClientTimeout(total=10.0, connect=2.0)


class _Said(msgspec.Struct):
    """A worker's own error."""

    error: str = ""


class Looking:
    """Asks the query workers, one after the other, until one answers; the next time another one first."""

    def __init__(self, settings: Settings, guard: Guard) -> None:
        self._workers = [one.strip().rstrip("/") for one in settings.gateway_workers.split(",") if one.strip()]
        self._token = settings.operator_token
        self._guard = guard
        self._turn = count()
        self._session: aiohttp.ClientSession | None = None

    async def stop(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    async def user(self, request: web.Request) -> web.Response:
        """A user's profile; ``time`` in Unix ms where it is not to be that of the newest event."""
        user_id = request.match_info["user_id"]
        caller = self._guard.caller(request, "operate")
        if caller.user_id not in (None, user_id):
            raise RefusedRequest(403, "user", "this token is another user's", "user_id", user_id)
        self._guard.charge(caller)
        asked = {"user_id": user_id}
        if "time" in request.query:
            asked["time"] = request.query["time"]
        return await self._page("user", asked)

    async def explain(self, request: web.Request) -> web.Response:
        """A stored answer explained; ``user_id`` where it is known, which is quicker."""
        caller = self._guard.caller(request, "operate")
        self._guard.charge(caller)
        asked = {"request_id": request.match_info["request_id"]}
        user_id = caller.user_id if caller.user_id is not None else request.query.get("user_id")
        if user_id:
            asked["user_id"] = user_id
        return await self._page("explain", asked)

    @property
    def workers(self) -> int:
        """How many can be asked."""
        return len(self._workers)

    async def metrics(self) -> dict[str, str]:
        """What each worker that answers tells of itself, as Prometheus reads it."""
        texts = {}
        for worker in self._workers:
            try:
                async with self._open_session().get(f"{worker}/metrics") as answer:
                    texts[worker] = await answer.text()
            except (aiohttp.ClientError, TimeoutError, ValueError):
                continue  # it says nothing: the page shows one worker fewer
        return texts

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._session = aiohttp.ClientSession(timeout=_WITHIN, headers=headers)
        return self._session

    async def _page(self, page: str, asked: Mapping[str, str]) -> web.Response:
        if not self._workers:
            raise RefusedRequest(503, "no_worker", f"{variable('gateway_workers')} names no worker: set it")
        session = self._open_session()
        first = next(self._turn)
        told = []
        for step in range(len(self._workers)):
            worker = self._workers[(first + step) % len(self._workers)]
            try:
                async with session.get(f"{worker}/{page}", params=asked) as answer:
                    body = await answer.read()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                told.append(f"{worker}: {str(error) or type(error).__name__}")
                continue
            if answer.status == 200:
                return web.Response(body=body, content_type="application/json")
            said = _said(body)
            if answer.status == 404:
                raise RefusedRequest(404, "not_stored", said)
            if answer.status == 400:
                field, _, message = said.partition(": ")
                raise RefusedRequest(400, "invalid", message, field, asked.get(field))
            told.append(f"{worker}: {said or answer.status}")
        remedy = f"see {variable('gateway_workers')} and {variable('operator_token')}"
        raise RefusedRequest(503, "no_worker", f"no query worker tells it ({'; '.join(told)}): {remedy}")


def _said(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Said).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
