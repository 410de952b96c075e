"""What stands where a decoder found something wrong: msgspec says the place and what it expected, not what it found.

>>> located(b'{"attributes":{"size":4,"more":{"a":1}}}', "attributes[...]")
('attributes.more', 'an object of 1')
>>> located(b'{"title":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}', "title")
('title', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' of 56 characters")
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from streamrank_client.fields import Attribute, WantedValue

__all__ = ["located", "value_at"]

#: characters of a value that are shown
SHOWN: Final = 40
_STEP: Final = re.compile(r"\.?(\w+)|\[(\d+|\.\.\.)\]")
#: what an attribute may be, of items and of filters: names are the shop's, so the decoder says ``[...]``
_VALUES: Final[dict[str, Any]] = {"attributes": Attribute, "filters.attributes": WantedValue}


def located(raw: bytes, path: str) -> tuple[str, str]:
    """The path, with an attribute's name where the decoder gave none, and the value there in short; "" where it cannot
    be read.
    """
    try:
        value: Any = msgspec.json.decode(raw)
        field = ""
        for name, place in _STEP.findall(path):
            if place == "...":
                name = _wrong_name(value, _VALUES[field])
            value = value[int(place)] if place.isdecimal() else value[name]
            field += f"[{place}]" if place.isdecimal() else f".{name}" if field else name
    except (ValueError, LookupError, TypeError, RecursionError):
        return path, ""
    return field, _short(value)


def value_at(raw: bytes, path: str) -> object:
    """The value at a path of an event, in short where it is long; None where it is missing or cannot be read, and for
    the event as a whole.

    >>> value_at(b'{"price":{"min":3},"cart":["a",7]}', "cart[1]"), value_at(b'{"price":{"min":3}}', "price.max")
    (7, None)
    """
    if not path:
        return None
    try:
        value: Any = msgspec.json.decode(raw)
        for name, place in _STEP.findall(path):
            value = value[int(place)] if place.isdecimal() else value[name]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return value if isinstance(value, str) and len(value) <= SHOWN else _short(value)


def _wrong_name(values: dict[str, object], wanted: Any) -> str:
    """The first name whose value is none of those wanted. Raises LookupError where all are."""
    for name, value in values.items():
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            return name
    raise LookupError


def _short(value: object) -> str:
    if isinstance(value, str):
        return repr(value) if len(value) <= SHOWN else f"{value[:SHOWN]!r:.{SHOWN + 1}}…' of {len(value)} characters"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
