"""Comparing the answers of a replay with a golden file: equal byte for byte, or the first difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

import msgspec

from streamrank_client.logs import Line

__all__ = ["GoldenDifference", "first_difference"]


@dataclass(frozen=True)
class GoldenDifference:
    """Where two files of answers first differ; ``field`` is the path within the answer."""

    line: int
    request_id: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = f"line {self.line}, request {self.request_id or '?'}"
        if self.field:
            where += f", {self.field}"
        return f"{where}: expected {self.expected}, found {self.found}"


def first_difference(expected: Iterable[Line], found: Iterable[bytes]) -> GoldenDifference | None:
    """The first line that is not the same, byte for byte; None when all are."""
    for place, (wanted, got) in enumerate(zip_longest(expected, found), 1):
        number = wanted.number if wanted is not None else place
        if wanted is None:
            return GoldenDifference(number, _request(got), "", "no more answers", _short(got))
        if got is None:
            return GoldenDifference(number, _request(wanted.raw), "", _short(wanted.raw), "no more answers")
        if wanted.raw != got:
            return _difference(number, wanted.raw, got)
    return None


def _difference(number: int, wanted: bytes, got: bytes) -> GoldenDifference:
    try:
        pairs = _paths(msgspec.json.decode(wanted), msgspec.json.decode(got), "")
        field, one, other = next(pairs, ("", wanted, got))
    except (msgspec.DecodeError, UnicodeDecodeError):
        field, one, other = "", wanted, got
    return GoldenDifference(number, _request(got) or _request(wanted), field, _short(one), _short(other))


def _paths(one: object, other: object, path: str) -> Iterator[tuple[str, object, object]]:
    """Paths at which two JSON values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in one or name not in other:
                yield f"{path}.{name}".lstrip("."), one.get(name), other.get(name)
            else:
                yield from _paths(one[name], other[name], f"{path}.{name}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list):
        for place, (left, right) in enumerate(zip(one, other, strict=False)):
            yield from _paths(left, right, f"{path}[{place}]")
        if len(one) != len(other):
            yield f"{path} (length)", len(one), len(other)
    elif one != other:
        yield path, one, other


def _request(raw: bytes) -> str:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    request_id = found.get("request_id") if isinstance(found, dict) else None
    return request_id if isinstance(request_id, str) else ""


def _short(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:200] + "…"
