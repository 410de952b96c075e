"""What a format is, and how one picks fields from a row's columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from streamrank_client.events import Item
from streams.offline.importers.table.conversion import ATTRIBUTES, fields_of
from streams.offline.importers.table.rows import Omission, RawEvent, Row, blank

__all__ = ["ITEM", "Format", "Picked", "plain"]

#: the tag of items, as most formats are of products
ITEM = str(Item.__struct_config__.tag)


class RawEvents(Protocol):
    """A format's function: rows to raw events, in the order of the rows; ``tag`` is what ``--as`` says."""

    def __call__(self, rows: Iterable[Row], tag: str | None) -> Iterator[RawEvent | Omission]:
        """Yield raw events, and what is left out."""


@dataclass(frozen=True, slots=True)
class Format:
    """An export of another system that is known by name.

    ``tags``: what ``--as`` may be, the first where it is not given; None stands for events of several kinds.
    ``needs``: a file with a header must have one column of each group. ``time_format`` is that of its times.
    ``own_columns``: ``--map`` may name columns in addition.
    """

    name: str
    help: str
    raw_events: RawEvents
    needs: tuple[tuple[str, ...], ...]
    tags: tuple[str | None, ...] = (ITEM,)
    time_format: str = "iso"
    own_columns: bool = True

    def lacks(self, header: Iterable[str]) -> tuple[str, ...]:
        """The first group of columns of which a header has none; empty where it has all."""
        there = {plain(column) for column in header}
        return next((group for group in self.needs if not there & {plain(name) for name in group}), ())


def plain(name: str) -> str:
    """A column's name without capitals, punctuation and namespace.

    >>> plain("g:image link"), plain("Body (HTML)"), plain("In stock?")
    ('image_link', 'body_html', 'in_stock')
    """
    return re.sub(r"\W+", "_", name.casefold().removeprefix("g:")).strip("_")


@dataclass(slots=True)
class Picked:
    """Collects a raw event's fields from a row whose columns are looked up by their plain names."""

    row: Row
    by_name: dict[str, tuple[str, object]]
    values: dict[str, object] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Row, names: Callable[[str], str] = plain) -> Picked:
        """Begin with a row."""
        return cls(row, {names(column): (column, value) for column, value in row.values.items() if not blank(value)})

    def get(self, *names: str) -> object:
        """The first of these columns that has a value; None where none has."""
        return next((self.by_name[name][1] for name in names if name in self.by_name), None)

    def text(self, *names: str) -> str:
        """The same as a text."""
        value = self.get(*names)
        return "" if value is None else str(value).strip()

    def take(self, field: str, *names: str, value: object = None) -> None:
        """Fill a field from the first of these columns that has a value, or with ``value`` made of it.

        Fields that items do not have are left out, but for attributes.
        """
        column = next((name for name in names if name in self.by_name), None)
        if column is None and value is None:
            return
        if field in fields_of(ITEM) or field.startswith(ATTRIBUTES):
            found, given = self.by_name[column] if column is not None else ("", None)
            self.values[field] = given if value is None else value
            self.columns[field] = found

    def raw_event(self) -> RawEvent:
        """The raw event of an item."""
        return RawEvent(self.row, ITEM, self.values, self.columns)
