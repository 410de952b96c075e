"""What is wrong with bytes that are no JSON, and as much of them as can be read all the same.

Windows writes byte order marks, pandas NaN, and JavaScript cuts texts within a character; a letter says so, and names
the field.
"""

from __future__ import annotations

import json
import re
from typing import Final

from streamrank_client.errors import InvalidEvent

__all__ = ["BYTE_ORDER_MARK", "legible", "malformed"]

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_AT: Final = re.compile(r"\(byte (\d+)\)")
_FIELD: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')
#: a field with a text or a whole number, outside of any text
_READ: Final = re.compile(rb'(?<!\\)"(event|time|\w+_id)"\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(-?\d+)(?=\s*[,}]))')
_NO_NUMBER: Final = re.compile(rb"-?(?:NaN|Infinity|nan|inf)")
_HALF: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def malformed(text: str, raw: bytes) -> InvalidEvent:
    """The error of bytes that are no JSON, by the decoder's own ``text``; it names the field in which they break.

    >>> raw = b'{"event":"item","price":NaN}'
    >>> error = malformed("JSON is malformed: invalid character (byte 24)", raw)
    >>> error.field, error.message
    ('price', 'NaN is no JSON number: leave the field out, or send null')
    """
    if raw.startswith(BYTE_ORDER_MARK):
        return InvalidEvent("malformed", "", "begins with a byte order mark: send UTF-8 without one")
    at = _place(text, raw)
    field = _field_before(raw, at)
    number = _NO_NUMBER.match(raw, max(at - 1, 0)) or _NO_NUMBER.match(raw, at)
    if number:
        said = f"{number[0].decode()} is no JSON number: leave the field out, or send null"
        return InvalidEvent("malformed", field, said)
    if "surrogate" in text or "truncated" in text:
        half = _HALF.search(raw)
        if half:
            said = f"{half[0].decode()} is half a character: cut texts between characters"
            return InvalidEvent("malformed", _field_before(raw, half.start()), said)
    return InvalidEvent("malformed", field, f"not a JSON object: {text}")


def legible(raw: bytes) -> dict[str, object] | None:
    """The fields of an object that is not quite JSON, as far as they can be read; None where nothing can.

    >>> legible(b'{"event":"item","item_id":"p1","price":NaN}')["item_id"]
    'p1'
    >>> legible(b'{"event":"query","request_id":"r1","text":"cut o')
    {'event': 'query', 'request_id': 'r1'}
    >>> legible(b"[1]"), legible(b'{"event":')
    (None, None)
    """
    try:
        found = json.loads(raw.decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError):
        texts: dict[str, object] = {}
        for name, text, number in _READ.findall(raw):
            texts.setdefault(name.decode(), int(number) if number else text.decode(errors="replace"))
        return texts or None
    return found if isinstance(found, dict) else None


def _place(text: str, raw: bytes) -> int:
    """Where a decoder stopped; for bytes that are no UTF-8 the first of those, for what ends too soon the end."""
    at = _AT.search(text)
    if at:
        return int(at[1])
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(raw)


def _field_before(raw: bytes, at: int) -> str:
    """The last field that begins before a place."""
    name = ""
    for found in _FIELD.finditer(raw, 0, at):
        name = found[1].decode(errors="replace")
    return name
