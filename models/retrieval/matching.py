"""What matches a text by its meaning, whatever the encoder: how near two vectors are, on a scale of its own.

Encoders differ in the cosine of texts that have nothing to do with each other (0.1 for one, 0.7 for another).

>>> round(nearness(0.6, 0.2), 2), nearness(0.1, 0.2)
(0.5, 0.0)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Floats, Mask, Rows
from models.base.vectors import SLACK, cosines, near_top
from models.items.catalogue import Catalogue

#: from so near on an item matches by meaning alone: half of all titles are as near to one of their own words
NEAR: Final = 0.45
#: what a part of a text (the product of a hunt for offers) means is sought from so near on
LEAST: Final = 0.25
#: an item is as good a match as the best one from this share of its nearness on
AS_GOOD: Final = 0.7
#: the compact vectors' best, among which the wide ones find the nearest
RESCORED: Final = 20


def nearness(cosine: float, unrelated: float) -> float:
    """0 where a text is no nearer than unrelated ones are (their cosine), 1 where the two are the same."""
    return max(0.0, (cosine - unrelated) / (1 - unrelated))


def cosine_at(near: float, unrelated: float) -> float:
    """The cosine of two texts that are so near."""
    return unrelated + near * (1 - unrelated)


def nearest(vector: Floats, compact: Floats, catalogue: Catalogue, allowed: Mask) -> float:
    """The cosine of the allowed item that is nearest to a text, by its vectors (512,) and (64,); -1 without any."""
    if not len(catalogue) or not vector.any():
        return -1.0
    narrow = np.where(allowed, catalogue.compact @ compact, np.float32(-2))
    rows = near_top(narrow, RESCORED, above=-1.5, slack=2 * SLACK)
    return float(cosines(catalogue.vectors, rows, vector).max(initial=-1.0))


def same_meaning(vector: Floats, unrelated: float, catalogue: Catalogue, rows: Rows) -> Mask:
    """Which of the rows mean what a text means, (n,) bool: about as near as the best of them; none where none is."""
    cosine = cosines(catalogue.vectors, rows, vector)
    best = nearness(float(cosine.max(initial=-1.0)), unrelated)
    if best < LEAST:
        return np.zeros(len(rows), np.bool_)
    out: Mask = cosine >= cosine_at(max(LEAST, AS_GOOD * best), unrelated)
    return out
