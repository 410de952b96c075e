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
