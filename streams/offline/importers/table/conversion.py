"""From a raw event to an event: each value by the type of its field, as the events' structs declare it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias, get_args

import msgspec
from msgspec import inspect

from streamrank_client import limits
from streamrank_client.events import Behavior, Delete, Event, Item, ItemUpdate, Query, UserEvent, invalid
from streamrank_client.fields import SECONDS
from streamrank_client.vocabulary import digest
from streams.offline.importers.table.rows import RawEvent, blank
from streams.offline.importers.table.values import Notation, listed

__all__ = ["ATTRIBUTES", "KINDS_OF_ATTRIBUTES", "STRUCTS", "Conversion", "Refused", "fields_of"]

Read: TypeAlias = Callable[[object], object]
#: the events that a row can be, by their tags
STRUCTS: Final = {
    str(struct.__struct_config__.tag): struct for struct in (Item, ItemUpdate, Delete, *get_args(Behavior), Query)
}
#: begins the name of a field that is an item's attribute; a kind may follow behind a colon
ATTRIBUTES: Final = "attributes."
KINDS_OF_ATTRIBUTES: Final = ("text", "number", "truth", "list")


class Refused(Exception):
    """A raw event that is no event: ``field`` is the event's, ``message`` has the value and the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def fields_of(tag: str) -> tuple[str, ...]:
    """The fields of an event.

    >>> fields_of("delete")
    ('time', 'item_id')
    """
    return tuple(STRUCTS[tag].__struct_fields__)


class Conversion:
    """Makes events of raw events. Items without a time are of ``time``, in Unix milliseconds."""

    def __init__(self, notation: Notation, time: int) -> None:
        self._notation = notation
        self._time = time
        self._readers: dict[str, Read] = {
            "text": notation.text,
            "number": notation.number,
            "whole": notation.whole,
            "truth": notation.truth,
            "path": notation.path,
            "list": lambda raw: listed(raw, notation),
            "as it is": lambda raw: raw,
        }

    def event(self, raw_event: RawEvent) -> Event:
        """The event of a raw event. Raises Refused, naming the field."""
        struct = STRUCTS[raw_event.tag]
        values: dict[str, object] = {"event": raw_event.tag}
        attributes: dict[str, object] = {}
        for field, raw in raw_event.values.items():
            if blank(raw):
                continue
            try:
                if field.startswith(ATTRIBUTES):
                    name, _, kind = field.removeprefix(ATTRIBUTES).partition(":")
                    attributes[name] = self._attribute(kind, raw)
                else:
                    values[field] = self._value(raw_event.tag, field, raw)
            except ValueError as error:
                raise Refused(field, str(error)) from error
        if attributes:
            given = values.get("attributes")
            values["attributes"] = {**given, **attributes} if isinstance(given, dict) else attributes
        self._complete(raw_event, values)
        try:
            event: Event = msgspec.convert(values, struct)
        except msgspec.ValidationError as error:
            raise _refused(error, values) from error
        return event

    def _value(self, tag: str, field: str, raw: object) -> object:
        kind = _kinds(tag)[field]
        if kind == "time":
            moment = self._notation.moment(raw)
            if SECONDS[0] <= moment <= SECONDS[1] and self._notation.time_format == "ms":
                raise ValueError(f"{raw!r:.60} is in seconds: --time-format s")
            return moment
        return self._readers[kind](raw)

    def _attribute(self, kind: str, raw: object) -> object:
        if kind:
            return self._readers[kind](raw)
        if isinstance(raw, bool | int | float):
            return raw
        return listed(raw, self._notation) if isinstance(raw, list) else self._notation.text(raw)

    def _complete(self, raw_event: RawEvent, values: dict[str, object]) -> None:
        """Fill in what a file need not have: the time of items, and ids that follow from the row."""
        struct = STRUCTS[raw_event.tag]
        if struct in (Item, ItemUpdate, Delete):
            values.setdefault("time", self._time)
        wanted = "request_id" if struct is Query else "event_id" if issubclass(struct, UserEvent) else None
        if wanted is not None and wanted not in values:
            said = f"{raw_event.row.file}:{raw_event.row.number}:{values!r}"
            values[wanted] = f"{digest(said.encode(errors='replace')):016x}"


@cache
def _kinds(tag: str) -> dict[str, str]:
    """How each field of an event is read."""
    info = inspect.type_info(STRUCTS[tag])
    assert isinstance(info, inspect.StructType)
    return {field.name: _kind(field.name, field.type) for field in info.fields}


def _kind(name: str, declared: inspect.Type) -> str:
    if isinstance(declared, inspect.UnionType):
        declared = next(some for some in declared.types if not isinstance(some, inspect.NoneType))
    if isinstance(declared, inspect.IntType):
        return "time" if declared.le == limits.TIME_MS else "whole"
    if isinstance(declared, inspect.FloatType):
        return "number"
    if isinstance(declared, inspect.BoolType):
        return "truth"
    if isinstance(declared, inspect.StrType | inspect.LiteralType):
        return "text"
    if isinstance(declared, inspect.ListType) and isinstance(declared.item_type, inspect.StrType):
        return "path" if name == "category" else "list"
    return "as it is"


def _refused(error: msgspec.ValidationError, values: dict[str, object]) -> Refused:
    """Say which field is wrong, with its value and what to do."""
    try:
        raw = msgspec.json.encode(values)
    except (TypeError, ValueError, OverflowError):
        raw = b""
    wrong = invalid(error, raw)
    if wrong.code == "missing":
        return Refused(wrong.field, f"required, but missing: fill the column in, or --map {wrong.field}=COLUMN")
    return Refused(wrong.field, f"{wrong.message}: correct it in the file")
