"""A struct as the answer to a request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from streamrank_client.events import encode

__all__ = ["as_json"]


def as_json(told: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The struct as JSON."""
    return web.Response(body=encode(told), status=status, headers=headers, content_type="application/json")
