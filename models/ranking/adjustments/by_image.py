"""A query's image in the order of its answer, for rankers that have not learnt from images.

A ranker whose training log had queries with images sees the feature ``image`` and judges by itself. The others, the
shipped one among them, would order what the source ``image`` found by everything else. For them each item's cosine
with the query's image is added, standardised over the items that have an image, in units of the list's score spread.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Floats
from models.features.registry import INDEX
from models.ranking.adjustments.base import Adjustment, ScoredList
from models.retrieval.sentences import PICTURED

#: Spreads of the score that one spread of the cosine adds: beside a text, which has its say, and without one.
BESIDE_TEXT: Final = 2.0
ALONE: Final = 6.0
LEAST: Final = 1e-6


class ImageMatch(Adjustment):
    """A query with an image prefers what looks like it; an item without an image counts as the least alike."""

    name = "image_match"
    sentences = (PICTURED,)

    def added(self, to: ScoredList) -> Floats | None:
        """By the cosine of the images, where the ranker has not learnt to judge it."""
        if to.ask.query.image is None or "image" not in to.sources or to.ranker.knows("image"):
            return None
        cosine = to.features[:, INDEX["image"]].astype(np.float64)
        seen = to.catalogue.images.known(len(to.catalogue))[to.candidates.rows]
        if not seen.any() or float(cosine[seen].std()) < LEAST:
            return None
        alike = np.where(seen, cosine, cosine[seen].min())
        alike = (alike - cosine[seen].mean()) / cosine[seen].std()
        spread = float(to.score.astype(np.float64).std())
        weight = (BESIDE_TEXT if to.ask.text.asked.strip() else ALONE) * (spread if spread > LEAST else 1.0)
        added: Floats = (weight * alike).astype(np.float32)
        return added
