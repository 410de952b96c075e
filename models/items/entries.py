"""One item as the catalogue topic carries it, and its vectors read back out of the bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.errors import ModelError
from streamrank_client.vocabulary import COMPACT, FIRST_ENCODER, WIDE, key

EntryAttribute = bool | float | str | list[bool | float | str]


class Entry(msgspec.Struct, array_like=True):
    """One item as the ``catalogue`` topic carries it (a tombstone is a delete); a later one replaces it.

    ``key``: ``streamrank_client.vocabulary.key(item_id)``; ``time``: the item event's, Unix ms; ``category``: root
    first; ``tokens``: the title's terms; ``words``: those of the other fields of ``models.items.bm25.FIELDS`` (older
    entries have none); ``vector``: 512 little-endian f2, ``compact``: 64 little-endian f4,
    both unit length; ``valid_from`` to ``valid_to``: when ``price`` holds, outside of it ``list_price`` does;
    ``first_time``: of the item's first event; ``image``: little-endian f2, unit length, empty without an image;
    ``group_id``: what variants of one product share, empty for an item of its own; ``link``, ``image_link``: addresses
    of its page and picture, empty for none; ``encoder``: version of the one that made ``vector`` and ``compact``.
    """

    item_id: str
    key: int
    time: int
    title: str
    category: list[str]
    brand: str
    price: float | None
    list_price: float | None
    in_stock: bool
    attributes: dict[str, EntryAttribute]
    tokens: list[str]
    vector: bytes
    compact: bytes
    valid_from: int | None = None
    valid_to: int | None = None
    first_time: int | None = None
    image: bytes = b""
    group_id: str = ""
    words: list[list[str]] = msgspec.field(default_factory=list)
    link: str = ""
    image_link: str = ""
    encoder: str = FIRST_ENCODER


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode_entry(entry: Entry) -> bytes:
    """The entry as the payload of a catalogue record (msgpack array)."""
    return _encoder.encode(entry)


def decode_entry(payload: bytes) -> Entry:
    """The entry in a catalogue record's payload; raises msgspec.DecodeError when it is none."""
    return _decoder.decode(payload)


def check_entry(entry: Entry) -> None:
    """Raise ModelError for an entry with which a catalogue could not work."""
    if entry.key != key(entry.item_id):
        raise bad(entry, "key", f"expected {key(entry.item_id)}, found {entry.key}")
    for field in ("price", "list_price"):
        price = getattr(entry, field)
        if price is not None and not 0 <= price < math.inf:
            raise bad(entry, field, f"expected a number from 0 on, found {price}")
    for field in ("time", "valid_from", "valid_to", "first_time"):
        time = getattr(entry, field)
        if time is not None and not 0 <= time < 1 << 62:
            raise bad(entry, field, f"expected Unix ms, found {time}")
    block([entry], "vector", "<f2", WIDE)
    block([entry], "compact", "<f4", COMPACT)


def block(entries: Sequence[Entry], field: str, dtype: str, width: int) -> NDArray[np.floating]:
    """The entries' vectors as one array, (n, width); raises ModelError on a wrong size or a NaN."""
    raw: list[bytes] = [getattr(entry, field) for entry in entries]
    size = width * np.dtype(dtype).itemsize
    for entry, vector in zip(entries, raw, strict=True):
        if len(vector) != size:
            raise bad(entry, field, f"expected {size} bytes ({width} x {dtype}), found {len(vector)}")
    rows: NDArray[np.floating] = np.frombuffer(b"".join(raw), dtype).reshape(-1, width)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise bad(entries[int(finite.argmin())], field, "holds NaN or infinity")
    return rows


def bad(entry: Entry, field: str, what: str) -> ModelError:
    """The error that names an entry and what is wrong with its field."""
    remedy = "publish the item again; if it recurs, verify the encoder with `streamrank artifact verify`."
    return ModelError(f"Catalogue entry {entry.item_id!r}: {field}: {what}.", remedy)
