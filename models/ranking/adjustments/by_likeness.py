"""The base of what stands in the answer to ``similar``: how alike each item is to the one that is looked at.

Alike is what a shopper may take in its stead. What is bought together with it is another question, and the cart's. A
fixed sum, as a search's (``by_text``): twice the cosine of the two texts between the list's smallest and largest, and
the share of the item's category path that both have in common. What the rankers learnt comes on top, so that of
alike items the one that people go on to stands first. Where items have neither text nor category, it alone decides.
"""

from __future__ import annotations

import numpy as np

from models.base.arrays import Doubles, Floats, Rows
from models.features.registry import INDEX
from models.ranking.adjustments.base import MEANING, STRENGTH, Adjustment, ScoredList, between_extremes, in_spreads
from models.retrieval.sentences import RESEMBLES
from models.retrieval.sources.semantic import anchor


class Likeness(Adjustment):
    """Similar items are those that are alike."""

    name = "likeness"
    sentences = (RESEMBLES,)

    def added(self, to: ScoredList) -> Floats | None:
        """By text and category; None on other surfaces and for an item that is not known."""
        row = anchor(to.ask, to.catalogue)
        if row < 0 or "semantic" not in to.sources:
            return None
        parts = category_shared(to.catalogue.category_path, row, to.candidates.rows)
        parts += MEANING * between_extremes(to.features[:, INDEX["semantic"]].astype(np.float64))
        return in_spreads(STRENGTH * parts, to.score)


def category_shared(paths: Rows, row: int, others: Rows) -> Doubles:
    """The share of the path of ``row`` that each of ``others`` has, (n,); ``paths`` (N, levels): codes of a path's
    beginnings, below 0 where it has ended. 0 for an item without a category.

    >>> paths = np.array([[1, 4, 7], [1, 4, 8], [1, 5, -1], [2, -1, -1], [-1, -1, -1]], np.int32)
    >>> category_shared(paths, 0, np.arange(1, 5, dtype=np.int32)).round(2).tolist()
    [0.67, 0.33, 0.0, 0.0]
    """
    levels = paths[row][paths[row] >= 0]
    common = (paths[others, : len(levels)] == levels).sum(axis=1)
    return np.asarray(common / max(len(levels), 1), np.float64)
