"""What a request brings: its body within bounds, one event or lines of them."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from streamrank_client.limits import MAX_RECORD_BYTES
from streamrank_client.malformed import BYTE_ORDER_MARK
from streams.gateway.refusals import RefusedRequest

__all__ = ["MOST_BYTES", "MOST_LINES", "body_of", "lines_of"]

MOST_BYTES: Final = MAX_RECORD_BYTES
MOST_LINES: Final = 10_000
#: content types of a body whose lines are events of their own
_OF_LINES: Final = frozenset(
    ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
)


async def body_of(request: web.Request) -> bytes:
    """The whole body. Raises RefusedRequest: 413 over 1 MiB, 400 for none."""
    if (request.content_length or 0) > MOST_BYTES:
        raise _too_large()
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    except web.RequestPayloadError as error:
        raise RefusedRequest(400, "malformed", f"the body broke off: {error}") from None
    raw = raw.removeprefix(BYTE_ORDER_MARK).strip()
    if not raw:
        raise RefusedRequest(400, "missing", "the body is empty: send a JSON object")
    return raw


def lines_of(request: web.Request, raw: bytes) -> list[tuple[int, bytes]] | None:
    """The lines of a body with their numbers, from 1, without the empty ones; None for a body that is one event.

    Raises RefusedRequest with 413 for more than 10,000.
    """
    if request.content_type not in _OF_LINES and (request.content_type == "application/json" or _is_one(raw)):
        return None
    lines = [(number, line) for number, line in enumerate(map(bytes.strip, raw.split(b"\n")), 1) if line]
    if len(lines) > MOST_LINES:
        raise RefusedRequest(
            413, "too_large", f"{len(lines)} lines: send at most {MOST_LINES} at a time", value=len(lines)
        )
    return lines


def _is_one(raw: bytes) -> bool:
    """Whether a body is one JSON value, or one line of whatever."""
    if b"\n" not in raw:
        return True
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _too_large() -> RefusedRequest:
    return RefusedRequest(413, "too_large", f"the body has more than {MOST_BYTES} bytes: send it in parts", value=None)
