"""At the door: who asks, whether they may, how often, and from which page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from math import ceil
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from streams.gateway.rates import Rates
from streams.gateway.refusals import RefusedRequest, as_response
from streams.gateway.signed import WrongToken
from streams.gateway.tokens import ANYBODY, Caller, Scope, Tokens
from streams.web.access import bearer, is_loopback

__all__ = ["AFTER", "AT_ONCE", "TOKEN_PARAMETER", "UNKNOWN_FIELDS", "Guard", "from_pages", "origins_of", "readable_by"]

#: header of the place of a user's last event, in answers to events and in queries
AFTER: Final = "Streamrank-After"
#: the header that tells fields of a query which no query has
UNKNOWN_FIELDS: Final = "Streamrank-Unknown-Fields"
#: where a browser's EventSource, which sends no headers, may show a signed token (RFC 6750, 2.3)
TOKEN_PARAMETER: Final = "access_token"
#: requests and streams of one user with a signed token that may be under way
AT_ONCE: Final = 16
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, {AFTER}",
    "Access-Control-Max-Age": "600",
}


class Guard:
    """Lets in whose token has the scope; ``tokens`` None: everybody on this machine."""

    def __init__(self, tokens: Tokens | None, rate: float = 0.0) -> None:
        """``rate``: events and queries a second of a gateway without tokens, 0 for no limit."""
        self._tokens = tokens
        self._anybody = Caller(ANYBODY.name, ANYBODY.scopes, None, rate)
        self._rates = Rates()
        #: what is under way for users with signed tokens: by request, and how much by user
        self._users: dict[int, str] = {}
        self._at_once: Counter[str] = Counter()

    def caller(self, request: web.Request, scope: Scope, *, by_query: bool = False) -> Caller:
        """Who asks. Raises RefusedRequest: 401 without a token that holds, 403 where it lacks the scope.

        ``by_query``: a user's signed token may stand in the address too.
        """
        if self._tokens is None:
            return self._anybody
        caller = self._shown(self._tokens, request, by_query)
        if scope not in caller.scopes:
            raise RefusedRequest(403, "scope", f"this token may not {scope}: its scopes are {_listed(caller.scopes)}")
        if caller.user_id is not None:
            self._enter(request, caller.user_id)
        return caller

    def leave(self, request: web.Request) -> None:
        """A request is answered."""
        user_id = self._users.pop(id(request), None)
        if user_id is not None:
            self._at_once[user_id] -= 1
            if not self._at_once[user_id]:
                del self._at_once[user_id]

    def charge(self, caller: Caller, cost: int = 1) -> None:
        """Count events or queries of a caller. Raises RefusedRequest with 429 where it is over its rate."""
        if not caller.rate:
            return
        wait = self._rates.take(caller.name, caller.rate, cost, monotonic())
        if wait:
            said = f"{caller.name} is over {caller.rate:g} events and queries a second: try again in {wait:.1f} s"
            raise RefusedRequest(429, "rate", said, headers={"Retry-After": str(ceil(wait))})

    def _enter(self, request: web.Request, user_id: str) -> None:
        """Count a request of a user until it leaves, so that one of them cannot hold all connections."""
        if id(request) in self._users:
            return
        if self._at_once[user_id] >= AT_ONCE:
            said = f"{AT_ONCE} requests of this user are under way: end one of them"
            raise RefusedRequest(429, "rate", said, headers={"Retry-After": "1"})
        self._users[id(request)] = user_id
        self._at_once[user_id] += 1

    def _shown(self, tokens: Tokens, request: web.Request, by_query: bool) -> Caller:
        shown, in_query = bearer(request), False
        if by_query and not shown:
            shown, in_query = request.query.get(TOKEN_PARAMETER, "").encode(), True
        try:
            caller = tokens.caller(shown) if shown else None
        except WrongToken as error:
            raise _unknown(str(error)) from None
        if caller is None:
            raise _unknown("no such token" if shown else "send the header `Authorization: Bearer` with a token")
        if in_query and caller.user_id is None:
            raise _unknown("only a user's signed token may stand in an address: send the header Authorization")
        return caller


def _unknown(said: str) -> RefusedRequest:
    return RefusedRequest(401, "token", said, headers={"WWW-Authenticate": "Bearer"})


def _listed(scopes: frozenset[str]) -> str:
    return ", ".join(sorted(scopes)) or "none"


def origins_of(text: str) -> frozenset[str]:
    """The origins in a setting.

    >>> sorted(origins_of("https://shop.example, http://localhost:3000/"))
    ['http://localhost:3000', 'https://shop.example']
    """
    return frozenset(one.strip().rstrip("/").lower() for one in text.split(",") if one.strip())


def from_pages(origins: frozenset[str], *, tokens: bool) -> Middleware:
    """A middleware that answers pages of these ``origins`` and of the gateway's own, and no others (CORS).

    A gateway without ``tokens`` answers only under a name of this machine, so that no page from elsewhere reaches it by
    a name that leads here.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not tokens and not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            said = f"without tokens the gateway answers as 127.0.0.1 or localhost, not as {request.host[:100]!r}"
            return as_response(RefusedRequest(403, "host", said))
        origin = _origin(request)
        if not origin or urlsplit(origin).netloc == request.host.lower():
            return await handler(request)
        if origin not in origins:
            said = "name the page's origin in STREAMRANK_GATEWAY_ORIGINS"
            return as_response(RefusedRequest(403, "origin", said, "Origin", origin[:100]))
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    return guarded


def readable_by(origins: frozenset[str]) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What adds to a response, before it is sent, the headers by which a page of these ``origins`` can read it."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        origin = _origin(request)
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = f"{AFTER}, {UNKNOWN_FIELDS}, Retry-After"
            response.headers["Vary"] = "Origin"

    return allow


def _origin(request: web.Request) -> str:
    return request.headers.get("Origin", "").lower()
