"""Stored values as one array, and back.

>>> rows = join([None, b"\\x07" * 8], np.dtype([("n", "<u8")]))
>>> rows["n"][0] = 1
>>> split(rows)
[b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00', b'\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07']
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: An array of one of the layouts in ``state.records``.
Rows = NDArray[Any]


class LayoutMismatch(ValueError):
    """A stored value has another size than this version's layout.

    Operator action: serve with the version that wrote it, or start on an empty Redis and replay the log.
    """


def join(values: Sequence[bytes | None], layout: np.dtype[Any]) -> Rows:
    """Values as one writable array of ``layout``, shape (n,); a missing value is a row of zeros."""
    empty = bytes(layout.itemsize)
    there = [empty if value is None else value for value in values]
    sizes = set(map(len, there)) - {layout.itemsize}
    if sizes:
        raise LayoutMismatch(
            f"a stored record of {layout.names} has {min(sizes)} bytes, expected {layout.itemsize}: another "
            "version wrote it; serve with that version, or start on an empty Redis and replay the log"
        )
    return np.frombuffer(bytearray().join(there), layout)


def split(rows: Rows) -> list[bytes]:
    """Each row's bytes, in order."""
    values: list[bytes] = rows.view(np.dtype((np.void, rows.dtype.itemsize))).tolist()
    return values


def distinct_of(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Distinct u64 keys in order, and for each key its place among them: np.unique, a third of its time for hashes.

    >>> distinct_of(np.array([7 << 40, 5 << 40, 7 << 40], np.uint64))[1].tolist()
    [1, 0, 1]
    """
    # a sort of the upper bits with each key's place in the lower ones, which must not matter
    low = np.uint64(len(keys).bit_length())
    word = keys >> low << low
    word |= np.arange(len(keys), dtype=np.uint64)
    word.sort()
    word &= (np.uint64(1) << low) - np.uint64(1)
    order = word.view(np.intp)
    ordered = keys.take(order)
    if np.any(ordered[1:] < ordered[:-1]):
        return np.unique(keys, return_inverse=True)
    first = np.ones(len(keys), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    place = np.empty(len(keys), np.intp)
    place[order] = np.cumsum(first) - 1
    return ordered.take(np.flatnonzero(first)), place
