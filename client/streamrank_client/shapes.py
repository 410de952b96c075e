"""What an event may look like, read from its structs: the texts allowed at a path, and fields that are none.

>>> from streamrank_client.events import Query
>>> allowed_at(Query, "$.sort")
('newest', 'price', 'price_desc', 'rating')
>>> unknown_fields({"event": "query", "txt": "tea", "filters": {"brnd": ["A"]}}, Query)
[UnknownField(path='txt', nearest='text'), UnknownField(path='filters.brnd', nearest='brand')]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import inspect

__all__ = ["UnknownField", "allowed_at", "naming_allowed", "unknown_fields"]

_STEP: Final = re.compile(r"\.(\w+)|\[(?:\d+|\.\.\.)\]")
#: how a decoder begins to say that a text, or a tag, is none of those allowed
_NONE_OF_THEM: Final = re.compile(r"Invalid (enum )?value ")


class UnknownField(NamedTuple):
    """A field that no struct has: whoever sent it meant something that had no effect. ``nearest``: the field that is
    spelled most like it, empty where none is.
    """

    path: str
    nearest: str

    @property
    def remedy(self) -> str:
        """What to do.

        >>> UnknownField("txt", "text").remedy
        'no such field: did you mean text?'
        """
        return "no such field: " + (f"did you mean {self.nearest}?" if self.nearest else "leave it out")


def naming_allowed(error: msgspec.ValidationError, kind: Any) -> msgspec.ValidationError:
    """The error of decoding or converting to ``kind``, with the texts that are allowed where only some are."""
    message, at, path = str(error).partition(" - at `")
    if _NONE_OF_THEM.match(message) is None:
        return error
    allowed = allowed_at(kind, path.rstrip("`"))
    return msgspec.ValidationError(f"{message}: expected one of {', '.join(allowed)}{at}{path}" if allowed else error)


def allowed_at(kind: Any, path: str) -> tuple[str, ...]:
    """The texts allowed at a decoder's path in structs of ``kind``; none where any is, or nothing is known."""
    here: list[inspect.Type] = [inspect.type_info(kind)]
    for name in _STEP.findall(path):
        here = [inner for one in here for inner in _inner(one, name)]
    texts = [value for one in here for member in _members(one) if isinstance(member, inspect.LiteralType)
             for value in member.values]  # fmt: skip
    return tuple(str(text) for text in dict.fromkeys(texts))


def unknown_fields(value: object, kind: Any) -> list[UnknownField]:
    """The fields of an event as plain data that its struct, one of ``kind``, does not have; none where it is none of
    them.
    """
    return list(_unknown(value, _info(kind), ""))


_info = cache(inspect.type_info)


def _members(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(kind, inspect.Metadata):
        return _members(kind.type)
    return (
        tuple(one for each in kind.types for one in _members(each)) if isinstance(kind, inspect.UnionType) else (kind,)
    )


def _inner(kind: inspect.Type, name: str) -> Iterator[inspect.Type]:
    """What stands in a value at a field, or, without a name, in a list."""
    for member in _members(kind):
        if isinstance(member, inspect.StructType):
            yield from (field.type for field in member.fields if field.encode_name == name)
            if name == member.tag_field:
                yield inspect.LiteralType((str(member.tag),))
        elif isinstance(member, inspect.ListType) and not name:
            yield member.item_type


def _unknown(value: object, kind: inspect.Type, path: str) -> Iterator[UnknownField]:
    for member in _members(kind):
        if isinstance(value, dict) and isinstance(member, inspect.StructType) and _is(value, member):
            fields = {field.encode_name: field.type for field in member.fields}
            for name, inner in value.items():
                if name in fields:
                    yield from _unknown(inner, fields[name], f"{path}{name}.")
                elif name != member.tag_field:
                    yield UnknownField(f"{path}{name}", "".join(get_close_matches(name, fields, 1)))
        elif isinstance(value, dict) and isinstance(member, inspect.DictType):
            for name, inner in value.items():
                yield from _unknown(inner, member.value_type, f"{path}{name}.")
        elif isinstance(value, list) and isinstance(member, inspect.ListType):
            for place, inner in enumerate(value):
                yield from _unknown(inner, member.item_type, f"{path.removesuffix('.')}[{place}].")


def _is(value: dict[str, object], member: inspect.StructType) -> bool:
    return member.tag_field is None or value.get(member.tag_field) == member.tag
