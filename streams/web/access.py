"""Who asks, and from where: a request's bearer token, and whether only this machine reaches an address."""

from __future__ import annotations

from ipaddress import ip_address

from aiohttp import web

__all__ = ["bearer", "is_loopback"]


def bearer(request: web.Request) -> bytes:
    """The token that a request shows in its header Authorization, empty for none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip().encode(errors="surrogateescape") if scheme.lower() == "bearer" else b""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name but localhost may be anything.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
