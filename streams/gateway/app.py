"""The gateway's composition root: a client and the settings in, an application of aiohttp out."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from streamrank_client.client import Client
from streamrank_client.errors import SettingsError, StreamrankError
from streamrank_client.settings import variable
from streams.gateway import openapi
from streams.gateway.asking import Asking
from streams.gateway.bodies import MOST_BYTES
from streams.gateway.following import STREAM, Following
from streams.gateway.guard import Guard, from_pages, origins_of, readable_by
from streams.gateway.looking import Looking
from streams.gateway.metrics import GatewayMetrics
from streams.gateway.pages import OwnPages
from streams.gateway.playing import Playground, PlaygroundPages
from streams.gateway.posting import Posting
from streams.gateway.refusals import RefusedRequest, as_response, of_error, of_http
from streams.gateway.tokens import Tokens
from streams.settings import Settings
from streams.web.web_port import PortBounds, WebPort

__all__ = ["Gateway"]

log = structlog.get_logger(__name__)
#: seconds in which a request must be answered, and what is being answered may go on when the gateway stops
_ANSWER_WITHIN: Final = 60.0
_END_WITHIN: Final = 20.0
#: seconds that a connection may wait for its next request
_IDLE: Final = 30.0


class Gateway:
    """Serves an open client over HTTP; connects to nothing but query workers' pages."""

    def __init__(
        self, settings: Settings, client: Client, tokens: Tokens | None, playground: Playground | None = None
    ) -> None:
        """Raises SettingsError for a playground beside tokens."""
        if playground is not None and tokens is not None:
            raise SettingsError(
                f"a playground is for a gateway without tokens: leave out {variable('gateway_tokens')}, or --playground"
            )
        self.metrics = GatewayMetrics()
        self._guard = guard = Guard(tokens, settings.gateway_rate)
        self._following = Following(client, guard, self.metrics)
        self._looking = Looking(settings, guard)
        posting = Posting(client, guard, self.metrics)
        asking = Asking(client, guard, settings.gateway_timeout_ms)
        own = OwnPages(client, self.metrics, cache(openapi.text))
        handlers: dict[str, Handler] = {
            "publishEvents": posting.events, "publishItems": posting.items, "ask": asking.ask,
            "suggest": asking.suggest, "followAnswers": self._following.answers,
            "followDeadLetters": self._following.dead_letters,
            "user": self._looking.user, "explain": self._looking.explain, "health": own.health, "ready": own.ready,
            "metrics": own.metrics, "openapi": own.openapi,
        }  # fmt: skip
        origins = origins_of(settings.gateway_origins)
        pages = from_pages(origins, tokens=tokens is not None)
        self.app = web.Application(middlewares=[self._counted, pages, _refused], client_max_size=MOST_BYTES)
        self.app.on_response_prepare.append(readable_by(origins))
        for one in openapi.OPERATIONS:
            self.app.router.add_route(one.method.upper(), one.path, handlers[one.name])
            self.metrics.begin(one.path, [one.status, *one.refusals], streams=one.streams)
        if playground is not None:
            PlaygroundPages(playground, client, self._looking, self._following).add_to(self.app)
        bounds = PortBounds(
            connections=settings.gateway_connections,
            body_bytes=None,
            request_within=_IDLE,
            answer_within=_ANSWER_WITHIN,
            keep_alive=True,
            end_within=_END_WITHIN,
        )
        self._port = WebPort(self.app, settings.gateway_host, settings.gateway_port, bounds, prefix="gateway")
        self.metrics.connections(lambda: len(self._port.open))

    async def start(self) -> None:
        """Listen. Raises SettingsError where that cannot be."""
        await self._port.start()

    async def stop(self) -> None:
        """Listen no longer; what is being answered is answered, and streams end."""
        self._following.stop()
        await self._port.stop()
        await self._looking.stop()

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        try:
            response = await handler(request)
        finally:
            self._guard.leave(request)
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        self.metrics.requests.labels(route, str(response.status)).inc()
        if response.content_type != STREAM:
            self.metrics.seconds.labels(route).observe(perf_counter() - began)
        return response


@web.middleware
async def _refused(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What is refused or fails, as JSON."""
    try:
        return await handler(request)
    except RefusedRequest as refusal:
        return as_response(refusal)
    except StreamrankError as error:
        return as_response(of_error(error))
    except web.HTTPException as error:
        return as_response(of_http(error))
    except ConnectionError:
        raise
    except Exception:
        log.exception("a request failed", path=request.path)
        return as_response(RefusedRequest(500, "internal", "a fault of streamrank: its log has the traceback"))
