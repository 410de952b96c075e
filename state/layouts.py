"""How every stored value begins: four bytes that say which version of its layout it has, and how long it is.

The store takes them off and puts them on; nothing else knows of them. A value of an older version is brought to today's
when it is read and stored so by the next write; what streamrank 0.1 wrote has no such bytes and counts as version 1. A
value of a newer version is left alone, and one that is none of its layout is kept aside.

>>> value = packed(b"cnt:{0}:07", bytes(88))
>>> len(value), unpacked(b"cnt:{0}:07", value) == bytes(88), unpacked(b"cnt:{0}:07", bytes(88)) == bytes(88)
(92, True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from state.event_ids import BLOCK
from state.records import (
    BOUGHT,
    CATEGORY_TREND,
    CONTEXT,
    COUNT,
    COVISIT,
    FOLLOWERS,
    NEIGHBOURS,
    QUERY_CLICK,
    TREND,
)

#: A byte that begins no msgpack value, and hardly ever a value of version 1.
MAGIC: Final = 0xC1
HEADER: Final = 4
#: The version of values without a header.
UNVERSIONED: Final = 1


class StoredValueError(Exception):
    """A stored value that cannot be used; ``key`` says where it stands, ``reason`` what is wrong."""

    def __init__(self, key: bytes, reason: str) -> None:
        super().__init__(f"the value of {key.decode(errors='replace')!r}: {reason}")
        self.key = key
        self.reason = reason


class UnreadableValue(StoredValueError):
    """A value that is none of its layout. It is kept under ``bad:`` and its key, and counts as absent.

    Operator action: none is needed; `streamrank doctor` lists what was kept aside.
    """


class UnreadableMark(StoredValueError):
    """A watermark or a block of event ids that is none of its layout: its partition stops, as absent ones would have
    events counted twice.

    Operator action: restore the key from a backup of Redis, or delete it to begin at Kafka's committed offset.
    """


class NewerLayout(StoredValueError):
    """A value that a newer version of streamrank wrote: its partition stops, and nothing is written over.

    Operator action: serve with the newer version, or restore an older copy of Redis.
    """


@dataclass(frozen=True, slots=True)
class Layout:
    """Values of one kind. ``version``: today's; ``fits``: whether a payload may be one, by its length in bytes;
    ``upgrade``: from each older version to the next one; ``first``: lengths of version 1, where they were others;
    ``counts_twice``: an absent value would have events counted twice.
    """

    version: int
    fits: Callable[[int], bool]
    upgrade: Mapping[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    first: Callable[[int], bool] | None = None
    counts_twice: bool = False


def _exactly(layout: np.dtype[Any]) -> Callable[[int], bool]:
    return lambda length: length == layout.itemsize


def _same(payload: bytes) -> bytes:
    return payload


def _any(length: int) -> bool:
    return length > 0


#: COVISIT as version 1 had it: one follower more.
_COVISIT_1: Final = np.dtype(
    [
        ("mass", "<f8", (3,)),
        ("follower", "<u4", (FOLLOWERS + 1,)),
        ("after", "<f4", (FOLLOWERS + 1,)),
        ("neighbour", "<u4", (NEIGHBOURS,)),
        ("together", "<f4", (NEIGHBOURS,)),
        ("wide", "<f4", (NEIGHBOURS,)),
    ]
)


def _without_lightest_follower(payload: bytes) -> bytes:
    """A row of version 1 with room for one follower less: the lightest goes, or an empty place."""
    old, row = np.frombuffer(payload, _COVISIT_1)[0], np.zeros((), COVISIT)
    weight = np.where(old["follower"] != 0, old["after"], np.float32(-1))
    kept = np.delete(np.arange(FOLLOWERS + 1), int(np.argmin(weight[::-1]) * -1 + FOLLOWERS))
    row["follower"], row["after"] = old["follower"][kept], old["after"][kept]
    for name in ("mass", "neighbour", "together", "wide"):
        row[name] = old[name]
    return row.tobytes()


def _next_offset(payload: bytes) -> bytes:
    """A watermark of version 1 held the last offset stored; now it holds the next one to be read."""
    numbers = np.frombuffer(payload, "<i8").copy()
    numbers[0] += 1
    return numbers.tobytes()


#: By the beginning of a key.
LAYOUTS: Final[Mapping[bytes, Layout]] = {
    b"ctx": Layout(2, _exactly(CONTEXT), {1: _same}),
    b"own": Layout(2, lambda length: length % BOUGHT.itemsize == 0, {1: _same}),
    b"ids": Layout(2, lambda length: length == 8 * BLOCK, {1: _same}, counts_twice=True),
    b"wm": Layout(2, lambda length: length >= 16 and length % 8 == 0, {1: _next_offset}, counts_twice=True),
    b"cov": Layout(2, _exactly(COVISIT), {1: _without_lightest_follower}, first=_exactly(_COVISIT_1)),
    b"qc": Layout(2, _exactly(QUERY_CLICK), {1: _same}),
    b"cnt": Layout(2, _exactly(COUNT), {1: _same}),
    b"trend": Layout(2, _exactly(TREND), {1: _same}),
    b"ctr": Layout(2, _exactly(CATEGORY_TREND), {1: _same}),
    b"imp": Layout(2, _any, {1: _same}),
    b"ses": Layout(2, _any, {1: _same}),
    b"online": Layout(2, _any, {1: _same}),
    b"position_bias": Layout(2, _any, {1: _same}),
    b"drift": Layout(2, _any, {1: _same}),
    b"silence": Layout(2, _any, {1: _same}),
}


def packed(key: bytes, payload: bytes) -> bytes:
    """A payload as it is stored under ``key``."""
    length = len(payload)
    return b"%c%c%c%c%b" % (MAGIC, LAYOUTS[_kind(key)].version, length & 0xFF, length >> 8 & 0xFF, payload)


def unpacked(key: bytes, value: bytes) -> bytes:
    """The payload of a stored value, in today's layout.

    Raises NewerLayout, UnreadableMark and UnreadableValue.
    """
    layout = LAYOUTS[_kind(key)]
    length = len(value) - HEADER
    if length >= 0 and value[0] == MAGIC and value[2] == length & 0xFF and value[3] == length >> 8 & 0xFF:
        version, payload = value[1], value[HEADER:]
        if version == layout.version and layout.fits(length):
            return payload
        if version > layout.version:
            raise NewerLayout(key, f"its layout is version {version}, and this streamrank knows up to {layout.version}")
    else:
        version, payload = UNVERSIONED, value
    fits = layout.first or layout.fits if version == UNVERSIONED else layout.fits
    if version not in layout.upgrade or not fits(len(payload)):
        kind = UnreadableMark if layout.counts_twice else UnreadableValue
        raise kind(key, f"{len(value)} bytes that are none of its layout")
    while version < layout.version:
        payload = layout.upgrade[version](payload)
        version += 1
    return payload


def _kind(key: bytes) -> bytes:
    return key[: key.index(b":")]
