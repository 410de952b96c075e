"""What the parts of a table's import hand to each other: rows, raw events, and what is refused or left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

#: called with how much of a file is read, from 0 to 1
Share: TypeAlias = Callable[[float], None]


class Row(NamedTuple):
    """A row of a file: its number as a spreadsheet shows it (the header is 1), and its values by column.

    In JSON Lines the number is that of the line; in other files without a header rows are counted from 1.
    """

    file: str
    number: int
    values: Mapping[str, object]


class Refusal(NamedTuple):
    """A row that gave no event: the event's field ("" for the whole row), its column, what is wrong, the remedy."""

    file: str
    row: int
    field: str
    column: str
    message: str


class Omission(NamedTuple):
    """A row that is no event by what the format says of it, such as a draft; ``reason`` is counted and told."""

    reason: str


@dataclass(slots=True)
class RawEvent:
    """What a row says, by the fields of the event ``tag``; values as they stand in the file.

    ``columns`` names the column of each field, for messages.
    """

    row: Row
    tag: str
    values: dict[str, object]
    columns: Mapping[str, str] = field(default_factory=dict)


def blank(value: object) -> bool:
    """Whether a value says nothing: null, an empty text, or the NaN that stands for a gap in a column of numbers.

    >>> blank(None), blank("  "), blank(float("nan")), blank(0), blank([])
    (True, True, True, False, False)
    """
    return value is None or (isinstance(value, str) and not value.strip()) or value != value
