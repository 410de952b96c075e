"""Reading an event log: JSON Lines, one event a line, `.jsonl` or `.jsonl.gz`.

Lines come out raw, so that a broken one reaches the worker's dead letters as it is.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from streamrank_client.errors import LogError
from streamrank_client.malformed import BYTE_ORDER_MARK
from streamrank_client.routing import Head, head

__all__ = [
    "WORKERS_OWN",
    "Line",
    "disorder",
    "in_time_order",
    "input_lines",
    "read_lines",
    "write_lines",
]

#: tags of what only workers publish; a recorded log may hold them
WORKERS_OWN: Final = frozenset(("answer", "dead_letter", "identified"))
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class Line(NamedTuple):
    """A line of a log: its number, from 1, and its bytes without the line's end."""

    number: int
    raw: bytes


def read_lines(path: Path | str) -> Iterator[Line]:
    """Every line that is not empty. Raises LogError where the file is missing, cut off or not a log."""
    path = Path(path)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise LogError(f"'{path}': an event log's name ends with .jsonl or .jsonl.gz")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                # files that were written apart and put together have a mark at the beginning of each
                raw = line.strip().removeprefix(BYTE_ORDER_MARK).strip()
                if number == 1 and line.startswith(_UTF_16):
                    raise LogError(f"'{path}' is UTF-16: write it as UTF-8")
                if raw:
                    yield Line(number, raw)
    except (OSError, EOFError, zlib.error) as error:
        reason = _reason(error)
        raise LogError(f"'{path}' cannot be read: {reason}: check the path, and that it is whole") from error


def input_lines(path: Path | str) -> Iterator[Line]:
    """The lines of a log without the answers and dead letters that it may hold. Raises as ``read_lines``."""
    return (line for line in read_lines(path) if (head(line.raw) or Head()).event not in WORKERS_OWN)


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


def in_time_order(lines: Iterable[Line], skew_ms: int = 0) -> list[Line]:
    """The lines sorted by time, those of one moment as they stand.

    A line whose time cannot be read stays behind the one before it. Behaviour that names a query at most ``skew_ms``
    later than itself stands behind that query, as it arrived: nothing can be clicked before it is shown.

    >>> click, query = b'{"event":"click","request_id":"r","time":5}', b'{"event":"query","request_id":"r","time":7}'
    >>> [line.number for line in in_time_order([Line(1, click), Line(2, query)], 2)]
    [2, 1]
    """
    timed: list[tuple[int, int, Line]] = []
    asked: dict[str, int] = {}
    early: list[tuple[int, str]] = []
    last = 0
    for line in lines:
        at = head(line.raw)
        last = last if at is None or at.time is None else at.time
        if skew_ms and at is not None and at.request_id is not None:
            if at.event == "query":
                asked[at.request_id] = last
            elif at.event not in WORKERS_OWN:
                early.append((len(timed), at.request_id))
        timed.append((last, 0, line))
    for place, request_id in early:
        time, _, line = timed[place]
        if 0 < asked.get(request_id, 0) - time <= skew_ms:
            timed[place] = asked[request_id], 1, line
    timed.sort(key=lambda one: one[:2])
    return [line for _, _, line in timed]


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
