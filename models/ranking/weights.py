"""The online ranker's weights as query workers apply them: one small linear layer over the offline score.

Apart from ``models.learning.online``, so that a query worker does not load River.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.features.registry import INDEX

#: The sources whose scores are inputs: those that answer alone when another one fails. Few on purpose: each more
#: makes the layer noisier, and what they say besides is in the offline score.
NARROW: Final = ("query_clicks", "covisits", "context", "semantic", "lexical", "trending", "image")
#: The inputs, in order; ``offline`` is the ONNX ranker's score.
INPUTS: Final = (*NARROW, "offline")
OFFLINE: Final = len(INPUTS) - 1
#: Inputs are cut to so many scales: one wild score must not throw the weights.
CLAMP: Final = np.array([8.0] * len(NARROW) + [50.0])
_COLUMNS: Final = np.array([INDEX[name] for name in NARROW])
#: The surface "home" where it opens a basket, nothing used in the hour before: it has weights of its own. Later
#: events of baskets are twenty times as many, and what they teach made the order of openings worse on two logs.
OPENING: Final = "home:opening"
_BASKET: Final = INDEX["basket_size"]


class OnlineWeights(msgspec.Struct, frozen=True, kw_only=True):
    """What the trainer publishes and query workers apply: ``version`` counts up with every export.

    ``weights`` and ``scale`` in the order of ``names``; ``pairs``: how many have been learnt.
    """

    version: int
    names: tuple[str, ...]
    weights: tuple[float, ...]
    scale: tuple[float, ...]
    pairs: int


#: Before anything was learnt the order is the offline ranker's.
INITIAL: Final = OnlineWeights(
    version=0, names=INPUTS, weights=(0.0,) * OFFLINE + (1.0,), scale=(1.0,) * len(INPUTS), pairs=0
)


encode_weights = msgspec.json.Encoder().encode
#: bytes -> OnlineWeights; raises msgspec.DecodeError
decode_weights = msgspec.json.Decoder(OnlineWeights).decode


def inputs_of(features: Floats, offline: Floats) -> Floats:
    """The inputs (n, d) of candidates: from their features (n, F) the source scores, and the offline score (n,)."""
    inputs = np.empty((len(features), len(INPUTS)), np.float32)
    inputs[:, :OFFLINE] = features.take(_COLUMNS, axis=1)
    inputs[:, OFFLINE] = offline
    return inputs


def opens(surface: str, features: Floats) -> bool:
    """Whether a list, by its candidates' features (n, F), opens a basket, so that its weights are those of OPENING.

    >>> features = np.zeros((2, len(INDEX)), np.float32)
    >>> opens("home", features), opens("cart", features)
    (True, False)
    >>> features[:, INDEX["basket_size"]] = np.log1p(3)
    >>> opens("home", features)
    False
    """
    return surface == "home" and len(features) > 0 and not features[0, _BASKET]


def usable(weights: OnlineWeights) -> bool:
    """Whether these weights fit this version's inputs and are finite; a worker keeps the old ones if not."""
    numbers = (*weights.weights, *weights.scale)
    fits = weights.names == INPUTS and len(numbers) == 2 * len(INPUTS)
    return fits and bool(np.isfinite(numbers).all()) and min(weights.scale) > 0


def scaled(inputs: NDArray[np.floating], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inputs (…, d) by their scale (d,), cut to ``CLAMP``; the same when learning and when applying.

    >>> scaled(np.full(len(INPUTS), 100.0), np.full(len(INPUTS), 20.0))[:3].tolist()
    [5.0, 5.0, 5.0]
    """
    result: NDArray[np.float64] = inputs / scale
    np.maximum(result, -CLAMP, out=result)
    np.minimum(result, CLAMP, out=result)
    return result


def apply(weights: OnlineWeights, inputs: Floats) -> Floats:
    """Scores (n,) of finite ``inputs`` (n, d), columns in the order of ``INPUTS``: one mat-vec.

    >>> two = np.zeros((2, len(INPUTS)), np.float32)
    >>> two[:, OFFLINE] = 6.0, 13.0
    >>> apply(INITIAL, two).tolist()
    [6.0, 13.0]
    """
    values: Floats = (scaled(inputs, np.array(weights.scale)) @ np.array(weights.weights)).astype(np.float32)
    return values


def contributions(weights: OnlineWeights, inputs: Floats) -> Floats:
    """What each input adds to the score, (n, d): the columns add up to ``apply``."""
    values: Floats = (scaled(inputs, np.array(weights.scale)) * np.array(weights.weights)).astype(np.float32)
    return values
