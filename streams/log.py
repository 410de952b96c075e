"""Reading an event log: JSON Lines, one event a line, `.jsonl` or `.jsonl.gz`.

Lines come out raw, so that a broken one reaches the worker's dead letters as it is.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streams.errors import LogError

__all__ = [
    "WORKERS_OWN",
    "Head",
    "Line",
    "disorder",
    "head",
    "in_time_order",
    "input_lines",
    "read_lines",
    "write_lines",
]

#: tags of what only workers publish; a recorded log may hold them
WORKERS_OWN: Final = frozenset(("answer", "dead_letter"))


class Line(NamedTuple):
    """A line of a log: its number, from 1, and its bytes without the line's end."""

    number: int
    raw: bytes


class Head(msgspec.Struct):
    """What of an event is needed to send it somewhere: its tag, its time and whatever may be its key."""

    event: str = ""
    time: int | None = None
    item_id: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    rule_id: str | None = None


_head: msgspec.json.Decoder[Head] = msgspec.json.Decoder(Head)
_fields: msgspec.json.Decoder[dict[str, object]] = msgspec.json.Decoder(dict[str, object])


def read_lines(path: Path | str) -> Iterator[Line]:
    """Every line that is not empty. Raises LogError where the file is missing, cut off or not a log."""
    path = Path(path)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise LogError(f"'{path}': an event log's name ends with .jsonl or .jsonl.gz")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                raw = line.strip()
                if raw:
                    yield Line(number, raw)
    except (OSError, EOFError, zlib.error) as error:
        reason = _reason(error)
        raise LogError(f"'{path}' cannot be read: {reason}: check the path, and that it is whole") from error


def input_lines(path: Path | str) -> Iterator[Line]:
    """The lines of a log without the answers and dead letters that it may hold. Raises as ``read_lines``."""
    return (line for line in read_lines(path) if (head(line.raw) or Head()).event not in WORKERS_OWN)


def head(raw: bytes) -> Head | None:
    """An event's head, as much of it as has the right type; None where it is not a JSON object at all.

    >>> head(b'{"event":"click","time":"soon","user_id":7,"item_id":"p1"}')
    Head(event='click', time=None, item_id='p1', user_id=None, request_id=None, rule_id=None)
    >>> head(b'{"event":') is None
    True
    """
    try:
        return _head.decode(raw)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _lenient(raw)


def write_lines(path: Path | str, lines: Iterable[bytes]) -> None:
    """Write lines to a file, packed when its name ends with .gz; equal lines give equal bytes.

    Raises LogError where it cannot be written.
    """
    text = b"".join(line + b"\n" for line in lines)
    try:
        Path(path).write_bytes(gzip.compress(text, mtime=0) if str(path).endswith(".gz") else text)
    except OSError as error:
        raise LogError(f"'{path}' cannot be written: {_reason(error)}: name another file") from error


def disorder(lines: Iterable[Line]) -> int | None:
    """Number of the first line that is older than one before it; None for a log sorted by time.

    Lines whose time cannot be read count as in order.
    """
    newest = 0
    for number, raw in lines:
        at = head(raw)
        if at is not None and at.time is not None:
            if at.time < newest:
                return number
            newest = at.time
    return None


def in_time_order(lines: Iterable[Line]) -> list[Line]:
    """The lines sorted by time, those of one moment as they stand.

    A line whose time cannot be read stays behind the one before it.
    """
    timed: list[tuple[int, Line]] = []
    last = 0
    for line in lines:
        at = head(line.raw)
        last = last if at is None or at.time is None else at.time
        timed.append((last, line))
    timed.sort(key=lambda pair: pair[0])
    return [line for _, line in timed]


def _lenient(raw: bytes) -> Head | None:
    """The head of an object in which some field has a wrong type."""
    try:
        found = _fields.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    names = ("item_id", "user_id", "request_id", "rule_id")
    texts = {name: value for name in names if isinstance(value := found.get(name), str)}
    tag, at = found.get("event"), found.get("time")
    return Head(
        event=tag if isinstance(tag, str) else "",
        time=at if isinstance(at, int) and not isinstance(at, bool) else None,
        **texts,
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
