"""JSON: one object a line, a list of objects, or an object with one list of them; broken ones are refused by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

import msgspec

from streamrank_client.errors import LogError
from streamrank_client.malformed import BYTE_ORDER_MARK
from streams.offline.importers.table.rows import Refusal, Row

_list = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, object])


def json_rows(
    opened: Callable[[], IO[bytes]], name: str, rows: str | None, refuse: Callable[[Refusal], None]
) -> Iterator[Row]:
    """The objects of a file, of its list ``rows`` where that is named; what is no object goes to ``refuse``.

    Raises LogError for a file that is no JSON at all.
    """
    with opened() as file:
        first = next((line for line in file if line.strip(BYTE_ORDER_MARK + b" \t\r\n")), b"")
    first = first.removeprefix(BYTE_ORDER_MARK).strip()
    whole = rows is not None or first.startswith(b"[") or (first.startswith(b"{") and not _is_object(first))
    with opened() as file:
        numbered: Iterator[tuple[int, bytes | msgspec.Raw]]
        numbered = enumerate(_objects(file.read(), name, rows) if whole else file, 1)
        for number, raw in numbered:
            line = raw.strip().removeprefix(BYTE_ORDER_MARK).strip() if isinstance(raw, bytes) else raw
            if not isinstance(line, bytes) or line:
                try:
                    yield Row(name, number, _object.decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    refuse(Refusal(name, number, "", "", f"no JSON object: {error}: correct or remove it"))


def _is_object(line: bytes) -> bool:
    try:
        _object.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _objects(text: bytes, name: str, rows: str | None) -> list[msgspec.Raw]:
    """The elements of the list that a file is, that is named, or that is the only one in its object."""
    text = text.removeprefix(BYTE_ORDER_MARK).strip()
    try:
        if text.startswith(b"["):
            return _list.decode(text)
        lists = {key: raw for key, raw in _members.decode(text).items() if bytes(raw).lstrip().startswith(b"[")}
        if rows is None and len(lists) != 1:
            raise LogError(f"'{name}' is an object with {len(lists)} lists: --rows NAME says which has the rows")
        if rows is not None and rows not in lists:
            there = f"it has {', '.join(lists)}" if lists else "it has none"
            raise LogError(f"--rows {rows}: '{name}' has no list of that name: {there}")
        return _list.decode(lists[rows] if rows is not None else next(iter(lists.values())))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LogError(
            f"'{name}' is neither JSON nor JSON Lines: {error}: check that it is whole, and UTF-8"
        ) from error
