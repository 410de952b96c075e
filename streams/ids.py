"""Stable 64-bit keys of item ids, event ids and query texts (xxh3, never 0: 0 marks an empty slot)."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest


def key(text: str) -> int:
    """The u64 key of an id.

    >>> key("p1") == key("p1") != key("p2")
    True
    """
    return xxh3_64_intdigest(text.encode()) or 1
