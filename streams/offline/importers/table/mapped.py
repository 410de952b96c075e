"""A plain table: which column becomes which field, by ``--map`` and by the columns' own names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence

from streamrank_client.errors import LogError
from streams.offline.importers.table.conversion import ATTRIBUTES, KINDS_OF_ATTRIBUTES, fields_of
from streams.offline.importers.table.rows import RawEvent, Row

__all__ = ["Columns", "mapped", "mapping_of", "named_like", "overridden"]


def mapping_of(texts: Sequence[str], tags: Sequence[str]) -> dict[str, str]:
    """The column of each field, from ``field=Column,field=Column``; quotes keep a comma of a column's name.

    Raises LogError for a field that none of the events has.

    >>> mapping_of(["title=Name,price=Preis", '"brand=Maker, country"'], ["item"])
    {'title': 'Name', 'price': 'Preis', 'brand': 'Maker, country'}
    >>> mapping_of(["titel=Name"], ["delete"])
    Traceback (most recent call last):
    streamrank_client.errors.LogError: --map titel=Name: 'titel' is no field of delete: it has time, item_id
    """
    known = {field: None for tag in tags for field in fields_of(tag)}
    found: dict[str, str] = {}
    for pair in (pair.strip() for row in csv.reader(texts, skipinitialspace=True) for pair in row if pair.strip()):
        field, equals, column = (part.strip() for part in pair.partition("="))
        if not (field and equals and column):
            raise LogError(f"--map {pair}: expected field=Column")
        if field.startswith(ATTRIBUTES) and "attributes" in known:
            name, colon, kind = field.removeprefix(ATTRIBUTES).partition(":")
            if not name or (colon and kind not in KINDS_OF_ATTRIBUTES):
                raise LogError(f"--map {pair}: expected attributes.NAME or one with :{', :'.join(KINDS_OF_ATTRIBUTES)}")
        elif field not in known:
            raise LogError(f"--map {pair}: '{field}' is no field of {' or '.join(tags)}: it has {', '.join(known)}")
        found[field] = column
    return found


class Columns:
    """Reads mapped columns from rows; a dot leads into an object, as in ``offer.price``."""

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._mapping = dict(mapping)
        self._unseen = set(self._mapping.values())
        self._rows = 0

    def take(self, row: Row) -> dict[str, object]:
        """The row's values by field; columns that the row does not have are left out."""
        self._rows += 1
        found: dict[str, object] = {}
        for field, column in self._mapping.items():
            there, value = _value(row.values, column)
            if there:
                self._unseen.discard(column)
                found[field] = value
        return found

    def unseen(self) -> list[str]:
        """Columns that no row has had, once there was a row."""
        return sorted(self._unseen) if self._rows else []

    def absent(self, header: Sequence[str]) -> list[str]:
        """Columns that a file with this header cannot have."""
        columns = self._mapping.values()
        return [column for column in columns if column not in header and column.partition(".")[0] not in header]


def mapped(rows: Iterable[Row], tag: str, mapping: Mapping[str, str], columns: Columns) -> Iterator[RawEvent]:
    """A raw event for each row: mapped columns, and for other fields the columns that are named like them."""
    by_name: dict[tuple[str, ...], dict[str, str]] = {}
    wanted = [field for field in fields_of(tag) if field not in mapping]
    for row in rows:
        keys = tuple(row.values)
        if keys not in by_name:
            by_name[keys] = named_like(keys, wanted)
        named = by_name[keys]
        values = {field: row.values[column] for field, column in named.items()}
        yield RawEvent(row, tag, values | columns.take(row), {**named, **mapping})


def named_like(keys: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """The column of each field that has one of its name; capitals and spaces do not matter.

    >>> named_like(["Item ID", "price", "Price"], ["item_id", "price", "title"])
    {'item_id': 'Item ID', 'price': 'price'}
    """
    loosely = {key.strip().casefold().replace(" ", "_"): key for key in reversed(keys)}
    exactly = {key: key for key in keys}
    pairs = ((field, exactly.get(field) or loosely.get(field)) for field in fields)
    return {field: column for field, column in pairs if column is not None}


def overridden(raw_event: RawEvent, mapping: Mapping[str, str], columns: Columns) -> RawEvent:
    """A format's raw event with what ``--map`` says in addition, or instead."""
    if mapping:
        raw_event.values |= columns.take(raw_event.row)
        raw_event.columns = {**raw_event.columns, **mapping}
    return raw_event


def _value(values: Mapping[str, object], column: str) -> tuple[bool, object]:
    if column in values:
        return True, values[column]
    head, dot, rest = column.partition(".")
    inner = values.get(head)
    return _value(inner, rest) if dot and isinstance(inner, Mapping) else (False, None)
