"""What the gateway does not do, as JSON: ``{"error": {"code", "message", "field", "value"}}`` with a fitting status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from streamrank_client.errors import (
    AnswerTimeout,
    InvalidEvent,
    QueryRejected,
    StreamrankError,
)
from streamrank_client.wrong_values import value_at
from streams.web.structs import as_json

__all__ = ["ErrorBody", "ErrorDetail", "RefusedRequest", "as_response", "of_error", "of_event"]

#: errors of answers that are nobody's mistake: the same query may be answered later
_LATER: Final = {"overloaded": 503, "late": 504}


class ErrorDetail(msgspec.Struct, frozen=True):
    """What is wrong: a ``code`` for programs, a ``message`` for people, the ``field`` ("" for the whole), and the
    ``value`` there, in short where it is long.
    """

    code: str
    message: str
    field: str = ""
    value: bool | int | float | str | None = None


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error. ``request_id``: of a query that was sent, and not answered."""

    error: ErrorDetail
    request_id: str = ""


class RefusedRequest(StreamrankError):
    """A request that is not answered as it was meant. Operator action: none; the message says what to send."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str = "",
        value: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        plain = value if value is None or isinstance(value, bool | int | float | str) else str(value)
        self.body = ErrorBody(ErrorDetail(code, message, field, plain), request_id)


def of_event(error: InvalidEvent, raw: bytes) -> ErrorDetail:
    """What is wrong with an event, with the value that it has there."""
    value = value_at(raw, error.field)
    return RefusedRequest(400, error.code, error.message, error.field, value).body.error


def of_error(error: StreamrankError, request_id: str = "") -> RefusedRequest:
    """The client's errors as refusals; what is neither the caller's mistake nor a late answer may be tried again."""
    if isinstance(error, RefusedRequest):
        return error
    if isinstance(error, InvalidEvent):
        return RefusedRequest(400, error.code, error.message, error.field)
    if isinstance(error, QueryRejected):
        status = _LATER.get(error.code, 400)
        return RefusedRequest(status, error.code, error.message, error.field, request_id=error.request_id)
    if isinstance(error, AnswerTimeout):
        return RefusedRequest(504, "timeout", str(error), request_id=request_id)
    return RefusedRequest(503, "unavailable", str(error), headers={"Retry-After": "1"}, request_id=request_id)


def of_http(error: web.HTTPException) -> RefusedRequest:
    """aiohttp's own refusals: no such path or method, a body that is too large."""
    code = HTTPStatus(error.status).name.lower()
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return RefusedRequest(error.status, code, f"{error.reason}: see /openapi.json", headers=allowed)


def as_response(refusal: RefusedRequest) -> web.Response:
    """A refusal as it is sent."""
    return as_json(refusal.body, refusal.status, refusal.headers)
