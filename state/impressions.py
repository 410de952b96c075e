"""Impressions: what was shown for a query, with the features it was ranked by, kept for behaviour to join.

A matrix of features is stored by column: where all items have the same number, it is there once. A list is ranked
without most of the sources, so that a third to a half of the columns are of that kind.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_FLOATS = np.dtype("<f4")

#: A recent event of the user as it was known: item, seconds before the query, behaviour kind's code, weight in eighths.
RECENT: Final = np.dtype([("item", "<u8"), ("age", "<f4"), ("kind", "u1"), ("weight", "i1")])


def _no_floats() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


class Circumstances(msgspec.Struct, array_like=True, frozen=True, eq=False, omit_defaults=True):
    """What was known when n items were shown, enough to explain them later. Stored: only append fields.

    ``events``: of the user; ``short``, ``long``: whether there was an interest vector; ``recent``: records of
    ``RECENT``, newest first; ``anchors``: u64 keys of the first items whose co-visits were read; ``given``: how many
    candidates each source gave, ``found``: how many there were in all. ``scores`` (n,): as answered; ``weights``
    (2, d): the online weights and their scales, empty before any were learnt; ``adjustments``: (n,) by name.
    ``others``, for queries with ``explain``: u64 keys of the m candidates not shown, ``other_features`` (m, k).
    """

    events: int = 0
    short: bool = False
    long: bool = False
    recent: bytes = b""
    anchors: bytes = b""
    given: dict[str, int] = {}
    found: int = 0
    scores: NDArray[np.float32] = msgspec.field(default_factory=_no_floats)
    weights: NDArray[np.float32] = msgspec.field(default_factory=_no_floats)
    adjustments: dict[str, NDArray[np.float32]] = {}
    others: bytes = b""
    other_features: NDArray[np.float32] = msgspec.field(default_factory=_no_floats)


class StoredImpression(msgspec.Struct, array_like=True, frozen=True, eq=False):
    """The n items shown for one query in order of position, with k features each. Stored: only append fields.

    ``propensities`` (n): the probability with which each item stood at its position. ``features`` (n, k) and
    ``offline`` (n,), the offline ranker's scores, are float32, exactly as they were when served;
    ``feature_names`` is the version of the features' names and order. ``time`` is the query's, in Unix ms. ``arm``
    belongs to ``experiment``, "" for none. ``exchange`` (n, 2): of exploration, for learning position bias; None where
    nothing was exchanged. ``sampled``, where rankers are retrained: u64 keys of s candidates drawn from those not
    shown, ``sampled_features`` (s, k); None where nothing is kept of them.

    >>> shown = StoredImpression("r1", "u1", 5, "home", "control", "", ["p1"], [1.0], np.ones((1, 3), np.float32),
    ...                    np.zeros(1, np.float32), 17, "3f9c")
    >>> decode(encode(shown)).features.tolist()
    [[1.0, 1.0, 1.0]]
    """

    request_id: str
    user_id: str
    time: int
    surface: str
    arm: str
    text: str
    items: list[str]
    propensities: list[float]
    features: NDArray[np.float32]
    offline: NDArray[np.float32]
    weights_version: int
    artifact: str
    feature_names: str = ""
    experiment: str = ""
    known: Circumstances | None = None
    exchange: NDArray[np.float32] | None = None
    sampled: bytes | None = None
    sampled_features: NDArray[np.float32] = msgspec.field(default_factory=_no_floats)


def _to_wire(value: Any) -> Any:
    """An array as its shape and little-endian bytes; a matrix of several rows as shape, columns that vary, bytes."""
    if not (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        raise TypeError(f"an impression cannot hold {type(value).__name__}: give texts, numbers or float arrays")
    array = np.ascontiguousarray(value, _FLOATS)
    if array.ndim != 2 or len(array) < 2:
        return (array.shape, array.tobytes())
    bits = array.view("<u4")  # bit for bit: NaN too
    vary = (bits != bits[0]).any(axis=0)
    return (array.shape, np.packbits(vary).tobytes(), array[0].tobytes() + array[1:, vary].tobytes())


def _from_wire(kind: type, value: Any) -> Any:
    if len(value) == 2:
        shape, data = value
        return np.frombuffer(data, _FLOATS).reshape(shape)
    (rows, columns), packed, data = value
    vary = np.unpackbits(np.frombuffer(packed, np.uint8), count=columns).astype(bool)
    first = np.frombuffer(data, _FLOATS, columns)
    array = np.tile(first, (rows, 1))
    array[1:, vary] = np.frombuffer(data, _FLOATS, offset=first.nbytes).reshape(rows - 1, -1)
    array.flags.writeable = False
    return array


#: bytes of msgpack; raises TypeError for an array that is not of floats
encode = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode
#: raises msgspec.DecodeError when the bytes are no impression; its arrays are read-only
decode = msgspec.msgpack.Decoder(StoredImpression, dec_hook=_from_wire).decode
