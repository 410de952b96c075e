"""The gateway's own pages: /health, /ready, /metrics and /openapi.json, for everybody who reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Final

import msgspec
from aiohttp import web

from streamrank_client.client import Client
from streamrank_client.errors import StreamrankError
from streamrank_client.events import encode
from streamrank_client.following import existing_topics
from streamrank_client.hiding import hidden
from streams.gateway.metrics import GatewayMetrics

__all__ = ["OwnPages", "Readiness"]

#: seconds for which what was found holds, and in which Kafka must answer
_HOLDS: Final = 2.0
_WITHIN: Final = 3.0


class Readiness(msgspec.Struct, frozen=True):
    """Whether the gateway can do its work, and the reasons why not."""

    ready: bool
    reasons: list[str]


class OwnPages:
    """What the gateway tells of itself."""

    def __init__(self, client: Client, metrics: GatewayMetrics, openapi: Callable[[], str]) -> None:
        self._client = client
        self._metrics = metrics
        self._openapi = openapi
        self._found: tuple[float, list[str]] | None = None
        self._looks = asyncio.Lock()

    async def health(self, request: web.Request) -> web.Response:
        """200 while the process works; 503 once only a new one can read answers."""
        broken = self._client.broken
        status = "ok" if broken is None else hidden(str(broken), self._client.settings.secrets())
        return web.json_response({"status": status, "role": "gateway"}, status=200 if broken is None else 503)

    async def ready(self, request: web.Request) -> web.Response:
        """200 while Kafka answers and has the topics, else 503 with the reasons."""
        async with self._looks:
            if self._found is None or monotonic() - self._found[0] > _HOLDS:
                found = await self._reasons()
                self._found = monotonic(), found
            reasons = [hidden(reason, self._client.settings.secrets()) for reason in self._found[1]]
        body = encode(Readiness(not reasons, reasons))
        return web.Response(body=body, status=503 if reasons else 200, content_type="application/json")

    async def metrics(self, request: web.Request) -> web.Response:
        """All metrics, for Prometheus."""
        form = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.text(), headers=form)

    async def openapi(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        return web.Response(text=self._openapi(), content_type="application/json")

    async def _reasons(self) -> list[str]:
        if self._client.broken is not None:
            return [str(self._client.broken)]
        topics = self._client.topics
        names = [spec.name for spec in (topics.item_events, topics.behavior_events, topics.query_events)]
        try:
            await asyncio.wait_for(existing_topics(self._client.settings, names), _WITHIN)
        except StreamrankError as error:
            return [str(error)]
        except TimeoutError:
            return [f"Kafka at {self._client.settings.kafka} does not answer within {_WITHIN:g} s"]
        return []
