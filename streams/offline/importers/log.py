"""Writing an event log: JSON Lines, gzip by the name's ending; the same events give the same bytes."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import msgspec

from streamrank_client.errors import LogError
from streamrank_client.events import Event

FLUSH: Final = 1 << 20
LEVEL: Final = 3  # a third of level 9's time for a tenth more bytes


def check_name(path: Path) -> None:
    """Raise LogError for a name that readers of logs would refuse."""
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise LogError(f"'{path}': an event log's name ends with .jsonl or .jsonl.gz")


def write_log(events: Iterable[Event], path: Path) -> Counter[str]:
    """Write ``events`` to ``path`` (`.jsonl` or `.jsonl.gz`); return how many there are of each tag.

    The file appears whole or not at all. Raises LogError for another ending or a folder that cannot be
    written.
    """
    check_name(path)
    partial = path.with_name(f".{path.name}.part")
    try:
        counts = _write(events, partial, compress=path.suffix == ".gz")
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise LogError(f"'{path}' cannot be written: {reason}: make its folder, or name another file") from error
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _write(events: Iterable[Event], path: Path, *, compress: bool) -> Counter[str]:
    encoder = msgspec.json.Encoder()
    counts: Counter[type[Event]] = Counter()
    buffer = bytearray()
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(path.open("wb"))
        if compress:  # no name and no time in the header: equal events, equal bytes
            file = stack.enter_context(
                gzip.GzipFile("", "wb", compresslevel=LEVEL, fileobj=file, mtime=0)  # type: ignore[arg-type]
            )
        for event in events:
            counts[type(event)] += 1
            encoder.encode_into(event, buffer, -1)
            buffer += b"\n"
            if len(buffer) >= FLUSH:
                file.write(buffer)
                buffer.clear()
        file.write(buffer)
    return Counter({str(kind.__struct_config__.tag): count for kind, count in counts.items()})
