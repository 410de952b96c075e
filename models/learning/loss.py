"""The loss of an answer, by which its drift is told (``models.learning.drift``).

It sets the place r of what was chosen beside the place p that popularity alone would have given it among the same
items: r / (r + p), half where the list is no better. How hard a choice is to foresee is mostly how popular the item
is, so that the place by itself varies far more than drift adds to it. Figures: docs/decisions/0023-drift-loss.md.
"""

from __future__ import annotations

from typing import Final

from models.base.arrays import Floats
from models.features.registry import INDEX

#: the feature whose order tells what popularity alone would have done
POPULARITY: Final = "popularity_30_days"


def usual_place(features: Floats, row: int) -> float:
    """The place, from 1, that ``row`` of a list's features (n, F) would have, were the list in order of popularity.

    Rows that are equally popular share the mean of their places.

    >>> import numpy as np
    >>> features = np.zeros((4, len(INDEX)), np.float32)
    >>> features[:, INDEX[POPULARITY]] = [2, 9, 2, 0]
    >>> usual_place(features, 1), usual_place(features, 0), usual_place(features, 3)
    (1.0, 2.5, 4.0)
    """
    popularity = features[:, INDEX[POPULARITY]]
    above = int((popularity > popularity[row]).sum())
    alike = int((popularity == popularity[row]).sum())
    return above + (alike + 1) / 2


def loss(place: int, usual: float) -> float:
    """From 0 to 1, of a list in which the chosen item stood at ``place`` and by popularity at ``usual``, from 1.

    0 for either, where the item is not in the list, or its popularity not known: half, neither better nor worse.

    >>> loss(1, 3.0), loss(2, 2.0), loss(6, 2.0), loss(0, 2.0)
    (0.25, 0.5, 0.75, 0.5)
    """
    return place / (place + usual) if place and usual else 0.5
