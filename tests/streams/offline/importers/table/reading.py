"""What the tests of tables share: a file written, read and compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TypeVar

from streamrank_client.fields import Base
from streams.offline.importers.table.files import Dialect
from streams.offline.importers.table.importing import TableEvents, TableOptions, read_tables
from streams.offline.importers.table.values import Notation

E = TypeVar("E", bound=Base)
#: the time of items that have none
IMPORTED = 1_700_000_000_000


def read(
    path: Path,
    tag: str | None = None,
    *maps: str,
    format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    rows: str | None = None,
    decimal: str = ".",
    time_format: str = "iso",
    zone: tzinfo = UTC,
    separator: str = ">",
) -> TableEvents:
    """What a file gives."""
    notation = Notation(decimal, time_format, zone, separator)
    return read_tables([path], TableOptions(tag, format, IMPORTED, maps, Dialect(delimiter, encoding, rows), notation))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def only(outcome: TableEvents, kind: type[E]) -> list[E]:
    """All events, which are of one kind; nothing was refused."""
    assert outcome.refusals == []
    events: Sequence[Base] = outcome.events
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == len(outcome.events)
    return found


def told(outcome: TableEvents) -> list[tuple[int, str, str]]:
    """Row, field and message of what was refused."""
    return [(refusal.row, refusal.field, refusal.message) for refusal in outcome.refusals]
