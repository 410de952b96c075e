"""How every stored value begins: two bytes that say which version of its layout it has, and how long it is.

The store takes them off and puts them on; nothing else knows of them. A value of an older version is brought to today's
when it is read, and stored so by the next write; those of streamrank 0.1 have no such bytes and are of version 1. A
value of a newer version is left alone, and one that is none of its layout is kept aside.

A value of version 1 is told by its length, or by its first byte, which in msgpack is 128 or more. So a version is at
most 127, and no later layout of a fixed size may be two bytes shorter than its first. Purchases, which have many
lengths, are looked into.

>>> value = packed(b"cnt:{0}:07", bytes(96))
>>> len(value), unpacked(b"cnt:{0}:07", value) == bytes(96), unpacked(b"cnt:{0}:07", bytes(88)) == bytes(96)
(98, True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from state.contexts import encoder_id
from state.event_ids import BLOCK
from state.records import BOUGHT, CATEGORY_TREND, CONTEXT, COUNT, COVISIT, DAILY, DISLIKED, QUERY_CLICK, TOP, TREND
from streamrank_client.vocabulary import FIRST_ENCODER

HEADER: Final = 2
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
    """Values of one kind. ``version``: today's; ``fits``: whether a payload of today's may be so long; ``first``:
    whether a value may be of version 1; ``upgrade``: from each older version to the next one; ``counts_twice``: an
    absent value would have events counted twice.
    """

    version: int
    fits: Callable[[int], bool]
    first: Callable[[bytes], bool]
    upgrade: Mapping[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    counts_twice: bool = False


def _same(payload: bytes) -> bytes:
    return payload


def _next_offset(payload: bytes) -> bytes:
    """A watermark of version 1 held the last offset stored; now it holds the next one to be read."""
    numbers = np.frombuffer(payload, "<i8").copy()
    numbers[0] += 1
    return numbers.tobytes()


def _with_six_hours(payload: bytes) -> bytes:
    """An item's counts of version 2 had no popularity at a half-life of six hours; it begins at none."""
    return payload + bytes(8)


def _with_trend_of_six_hours(payload: bytes) -> bytes:
    """Nor had the trends of version 2 such a list, of items and of scores; it begins empty."""
    half, added = len(payload) // 2, bytes(8 * TOP)
    return payload[:half] + added + payload[half:] + added


def _of_first_encoder(payload: bytes) -> bytes:
    """A context of version 2 did not name its sums' encoder; those of released versions are of the first one."""
    return payload + encoder_id(FIRST_ENCODER).to_bytes(4, "little")


def _second(
    fits: Callable[[int], bool], upgrade: Callable[[bytes], bytes] = _same, counts_twice: bool = False
) -> Layout:
    """Version 2 of a layout that is told by its length."""
    return Layout(2, fits, lambda value: fits(len(value)), {1: upgrade}, counts_twice)


def _bought(length: int) -> bool:
    return length % BOUGHT.itemsize == 0


def _bought_first(value: bytes) -> bool:
    """Whether a value may be purchases of version 1: a later one that was cut or has grown may have such a length, too.

    Read two bytes off, the number of days on which an item was bought is a date.
    """
    if not _bought(len(value)):
        return False
    rows = np.frombuffer(value, BOUGHT)
    span = rows["last"].astype(np.int64) - rows["first"] + 1
    # days between the first and the last that are told late, and twice, count twice
    return bool(((rows["count"] > 0) & (span > 0) & (rows["count"] <= np.maximum(span, 1_000))).all())


def _sized(layout: np.dtype[Any]) -> Layout:
    return _second(lambda length: length == layout.itemsize)


def _grown(layout: np.dtype[Any], before: int, upgrade: Callable[[bytes], bytes]) -> Layout:
    """Version 3 of a layout whose first two had ``before`` bytes."""
    return Layout(
        3, lambda length: length == layout.itemsize, lambda value: len(value) == before, {1: _same, 2: upgrade}
    )


#: msgpack of a struct, an array or a map
_STRUCT: Final = Layout(2, lambda length: length > 0, lambda value: value[:1] >= b"\x80", {1: _same})

#: By the kind of a key.
LAYOUTS: Final[Mapping[bytes, Layout]] = {
    b"ctx": _grown(CONTEXT, 1_012, _of_first_encoder),
    b"own": Layout(2, _bought, _bought_first, {1: _same}),
    b"ids": _second(lambda length: length == 8 * BLOCK, counts_twice=True),
    b"wm": _second(lambda length: length >= 16 and length % 8 == 0, _next_offset, counts_twice=True),
    b"cov": _sized(COVISIT),
    b"qc": _sized(QUERY_CLICK),
    b"cnt": _grown(COUNT, 88, _with_six_hours),
    b"trend": _grown(TREND, 8_192, _with_trend_of_six_hours),
    b"ctr": _sized(CATEGORY_TREND),
    b"imp": _STRUCT,
    b"ses": _STRUCT,
    b"online": _STRUCT,
    b"position_bias": _STRUCT,
    b"drift": _STRUCT,
    b"silence": _STRUCT,
    b"dis": Layout(2, lambda length: length % DISLIKED.itemsize == 0, lambda value: False),
    b"day": Layout(2, lambda length: length == DAILY.itemsize, lambda value: False),
    b"item": Layout(2, lambda length: length > 0, lambda value: False),
    b"idn": Layout(2, lambda length: length > 0 and length % 8 == 0, lambda value: False, counts_twice=True),
    b"stop": Layout(2, lambda length: length > 0, lambda value: False),
    b"start": Layout(2, lambda length: length > 0, lambda value: False),
}


def packed(key: bytes, payload: bytes) -> bytes:
    """A payload as it is stored under ``key``."""
    return b"%c%c%b" % (LAYOUTS[kind_of(key)].version, len(payload) & 0xFF, payload)


def unpacked(key: bytes, value: bytes) -> bytes:
    """The payload of a stored value, in today's layout.

    Raises NewerLayout, UnreadableMark and UnreadableValue.
    """
    layout = LAYOUTS[kind_of(key)]
    length = len(value) - HEADER
    if length >= 0 and value[1] == length & 0xFF and value[0] == layout.version and layout.fits(length):
        return value[HEADER:]
    if layout.first(value):
        version, payload = UNVERSIONED, value
    else:
        version, payload = value[0] if value else 0, value[HEADER:]
        if length < 0 or value[1] != length & 0xFF or version not in layout.upgrade:
            raise _unusable(key, value, layout)
    while version < layout.version:
        payload = layout.upgrade[version](payload)
        version += 1
    if not layout.fits(len(payload)):
        raise _unusable(key, value, layout)
    return payload


def _unusable(key: bytes, value: bytes, layout: Layout) -> StoredValueError:
    length = len(value) - HEADER
    if length >= 0 and value[1] == length & 0xFF and layout.version < value[0] < 128:
        said = f"its layout is version {value[0]}, and this streamrank knows up to {layout.version}"
        return NewerLayout(key, f"{said}: serve with the newer one, or restore an older copy of Redis")
    if layout.counts_twice:
        remedy = "restore it, or delete it to have its partition begin anew"
        return UnreadableMark(key, f"{len(value)} bytes that are none of its layout: {remedy}")
    return UnreadableValue(key, f"{len(value)} bytes that are none of its layout")


def kind_of(key: bytes) -> bytes:
    """The word before the partition.

    >>> kind_of(b"ctx:{3}:u1"), kind_of(b"anna:ctx:{anna:3}:u1")
    (b'ctx', b'ctx')
    """
    end = key.index(b":{")
    return key[key.rfind(b":", 0, end) + 1 : end]
