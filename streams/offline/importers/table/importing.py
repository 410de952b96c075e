"""The import of tables: their events in order of time, and what was refused, left out and assumed on the way."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Final, TypeAlias

from streamrank_client.errors import LogError
from streamrank_client.events import Event, Item
from streams.offline.importers.table.conversion import STRUCTS, Conversion, Refused, fields_of
from streams.offline.importers.table.files import Dialect, OpenTable, rows_of
from streams.offline.importers.table.formats.base import Format
from streams.offline.importers.table.formats.registry import FORMATS
from streams.offline.importers.table.mapped import Columns, mapped, mapping_of, named_like, overridden
from streams.offline.importers.table.rows import Omission, RawEvent, Refusal, blank
from streams.offline.importers.table.values import Notation

__all__ = ["SHOWN", "TableEvents", "TableOptions", "read_tables"]

#: refusals and first events that are kept to be shown
SHOWN: Final = 10
#: called with a file's name and how much of it is read, from 0 to 1
ReadingProgress: TypeAlias = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How tables are read. ``tag`` or ``format`` must be given; items without a time are of ``time`` (Unix ms).

    ``maps`` are texts of ``field=Column``.
    """

    tag: str | None
    format: str | None
    time: int
    maps: tuple[str, ...] = ()
    dialect: Dialect = field(default_factory=Dialect)
    notation: Notation = field(default_factory=Notation)


@dataclass(slots=True)
class TableEvents:
    """What tables gave: ``events`` sorted by time, ``first`` of them as the files have them, and what gave none.

    ``refused`` counts rows by the field that was wrong ("" for a whole row), ``refusals`` are the first of them;
    ``left_out`` counts by reason; ``told`` says how files were read where nobody said it.
    """

    events: list[Event] = field(default_factory=list)
    first: list[Event] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        """Count a row that gave no event."""
        self.refused[refusal.field] += 1
        if len(self.refusals) < SHOWN:
            self.refusals.append(refusal)


def read_tables(
    paths: Sequence[Path], options: TableOptions, progress: ReadingProgress = lambda name, share: None
) -> TableEvents:
    """Read tables to their ends. Raises LogError for options that do not fit, and for files that cannot be read."""
    reading = _Reading(options)
    for path in paths:
        reading.read(path, lambda share, name=path.name: progress(name, share))  # type: ignore[misc]
    return reading.finished()


class _Reading:
    """One import: its format or mapping, and its outcome so far."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options
        self._format, tags = _chosen(options)
        self._tag = options.tag or tags[0]
        self._mapping = mapping_of(options.maps, [tag for tag in tags if tag is not None])
        self._columns = Columns(self._mapping)
        notation = options.notation
        if self._format is not None and notation.time_format == "iso":
            notation = Notation(notation.decimal, self._format.time_format, notation.zone, notation.separator)
        self._conversion = Conversion(notation, options.time)
        self._outcome = TableEvents()
        self._items: dict[tuple[str, int], tuple[str, int]] = {}
        self._untimed = False

    def read(self, path: Path, share: Callable[[float], None]) -> None:
        """Read a file."""
        options = self._options
        source = rows_of(path, options.dialect, self._outcome.refuse, share)
        if source.header is not None:
            self._check(path.name, source.header)
            self._outcome.told += self._unused(path.name, source.header)
        if source.told and (options.dialect.delimiter is None or options.dialect.encoding is None):
            self._outcome.told.append(source.told)
        for raw_event in self._raw_events(source):
            if isinstance(raw_event, Omission):
                self._outcome.left_out[raw_event.reason] += 1
            else:
                self._take(raw_event)

    def finished(self) -> TableEvents:
        """The outcome, sorted. Raises LogError where a mapped column was in no row."""
        if unseen := self._columns.unseen():
            remedy = "correct the column's name, or in JSON say with --rows which list has the rows"
            raise LogError(f"--map names '{unseen[0]}', but no row has it: {remedy}")
        if self._untimed:
            moment = datetime.fromtimestamp(self._options.time / 1000, UTC).isoformat(timespec="seconds")
            self._outcome.told.append(f"items without a time are of {moment}: --time says another")
        self._outcome.events.sort(key=attrgetter("time"))
        return self._outcome

    def _check(self, name: str, header: Sequence[str]) -> None:
        if absent := self._columns.absent(header):
            raise LogError(
                f"--map names '{absent[0]}', but '{name}' has no such column: it has {', '.join(header)}; "
                "correct the name, or remove rows above the one that names the columns"
            )
        if self._format is not None and (group := self._format.lacks(header)):
            raise LogError(
                f"'{name}' is no file of {self._format.name}: no column '{' or '.join(group)}' "
                f"(it has {', '.join(header)}); --as and --map read any other table"
            )

    def _unused(self, name: str, header: Sequence[str]) -> list[str]:
        """A line on the columns that a plain table has and that are read as nothing."""
        if self._format is not None or self._tag is None:
            return []
        used = {column.partition(".")[0] for column in self._mapping.values()} | {*self._mapping.values()}
        used |= {*named_like(header, [field for field in fields_of(self._tag) if field not in self._mapping]).values()}
        unused = [column for column in header if column not in used]
        return [f"{name}: columns that are not read: {', '.join(unused)} (--map field=Column)"] if unused else []

    def _raw_events(self, source: OpenTable) -> Iterator[RawEvent | Omission]:
        if self._format is None:
            assert self._tag is not None, "checked with the options"
            yield from mapped(source.rows, self._tag, self._mapping, self._columns)
            return
        for raw_event in self._format.raw_events(source.rows, self._tag):
            yield raw_event if isinstance(raw_event, Omission) else overridden(raw_event, self._mapping, self._columns)

    def _take(self, raw_event: RawEvent) -> None:
        try:
            event = self._conversion.event(raw_event)
            self._refuse_again(event, raw_event)
        except Refused as error:
            column = _column(raw_event, error.field)
            self._outcome.refuse(Refusal(raw_event.row.file, raw_event.row.number, error.field, column, error.message))
            return
        self._outcome.events.append(event)
        self._untimed = self._untimed or blank(raw_event.values.get("time"))
        if len(self._outcome.first) < SHOWN:
            self._outcome.first.append(event)

    def _refuse_again(self, event: Event, raw_event: RawEvent) -> None:
        """Refuse an item that another row gave for the same moment: only one of them could hold."""
        if isinstance(event, Item):
            key = event.item_id, event.time
            if key in self._items:
                there = f"{event.item_id!r:.60} is in row {self._items[key][1]} of {self._items[key][0]} already"
                raise Refused("item_id", f"{there}: remove one, or map another id")
            self._items[key] = raw_event.row.file, raw_event.row.number


def _column(raw_event: RawEvent, field: str) -> str:
    """The column of a field, or of the one that it is a part of."""
    by_field = {name.partition(":")[0]: column for name, column in raw_event.columns.items()}
    return by_field.get(field) or by_field.get(re.split(r"[.\[]", field)[0], "")


def _chosen(options: TableOptions) -> tuple[Format | None, Sequence[str | None]]:
    """The format and the tags that its raw events may have. Raises LogError for options that do not go together."""
    if options.format is None:
        if options.tag not in STRUCTS:
            given = "--as" if options.tag is None else f"--as {options.tag}"
            raise LogError(f"{given}: say what a row is: {', '.join(STRUCTS)} (or name a --format)")
        return None, (options.tag,)
    found = FORMATS.get(options.format)
    if found is None:
        raise LogError(f"--format {options.format}: none of {', '.join(FORMATS)}; --as and --map read other tables")
    if options.tag is not None and options.tag not in found.tags:
        allowed = [tag for tag in found.tags if tag is not None]
        raise LogError(f"--as {options.tag}: {found.name} gives {' or '.join(allowed)}; leave the option out")
    if options.maps and not found.own_columns:
        raise LogError(f"--map: {found.name} knows its columns; leave the option out")
    return found, found.tags
