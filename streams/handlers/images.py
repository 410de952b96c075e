"""Image vectors of events: checked against the setting, and made unit length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamrank_client.errors import InvalidEvent
from streamrank_client.settings import variable

FIELD: Final = "image_vector"
SETTING: Final = variable("image_dim")


def unit_image(values: Sequence[float], dim: int) -> NDArray[np.float32]:
    """A unit vector (dim,). Raises InvalidEvent when ``values`` are not ``dim`` numbers, or have no direction.

    >>> unit_image([3, 4], 2).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    if len(values) != dim:
        raise InvalidEvent(
            "invalid", FIELD, f"has {len(values)} numbers, but {SETTING} is {dim}: send vectors of that length, "
            "or change the setting and publish the items again",
        )  # fmt: skip
    vector = np.array(values, np.float64)
    largest = float(np.abs(vector).max())
    if not 0 < largest < np.inf:
        what = "is all zeros" if largest == 0 else "holds a number that is not finite"
        raise InvalidEvent("invalid", FIELD, f"{what}: send the {dim} numbers ({SETTING}) that the image model gave")
    # by the largest first: squares of very large or small numbers would overflow or vanish
    vector /= largest
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def item_image(values: Sequence[float] | None, dim: int) -> bytes:
    """An item's image as its catalogue entry holds it; empty without one, and where images are off (``dim`` 0).

    Raises InvalidEvent as ``unit_image`` does.
    """
    return unit_image(values, dim).astype("<f2").tobytes() if values is not None and dim else b""


def query_image(values: Sequence[float] | None, dim: int) -> NDArray[np.float32] | None:
    """A query's image, None without one. Raises InvalidEvent as ``unit_image`` does, and where images are off."""
    if values is None:
        return None
    if not dim:
        raise InvalidEvent("invalid", FIELD, f"images are off: set {SETTING} to the vectors' length, {len(values)}")
    return unit_image(values, dim)
