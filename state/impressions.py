"""Impressions: what was shown for a query, with the features it was ranked by, kept for behaviour to join."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_FLOATS = np.dtype("<f4")


class Impression(msgspec.Struct, array_like=True, frozen=True, eq=False):
    """The n items shown for one query in order of position, with k features each. Stored: only append fields.

    ``propensities`` (n): the probability with which each item stood at its position. ``features`` (n, k) and
    ``offline`` (n,), the offline ranker's scores, are float32, exactly as they were when served;
    ``feature_names`` is the version of the features' names and order. ``time`` is the query's, in Unix ms. ``arm``
    belongs to ``experiment``, "" for none.

    >>> shown = Impression("r1", "u1", 5, "home", "control", "", ["p1"], [1.0], np.ones((1, 3), np.float32),
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


def _to_wire(value: Any) -> Any:
    """An array as its shape and little-endian bytes."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return (value.shape, np.ascontiguousarray(value, _FLOATS).tobytes())
    raise TypeError(f"an impression cannot hold {type(value).__name__}: give texts, numbers or float arrays")


def _from_wire(kind: type, value: Any) -> Any:
    shape, data = value
    return np.frombuffer(data, _FLOATS).reshape(shape)


#: bytes of msgpack; raises TypeError for an array that is not of floats
encode = msgspec.msgpack.Encoder(enc_hook=_to_wire).encode
#: raises msgspec.DecodeError when the bytes are no impression; its arrays are read-only
decode = msgspec.msgpack.Decoder(Impression, dec_hook=_from_wire).decode
