"""A query's image in the order of its answer, for rankers that have not learnt from images.

A ranker whose training log had queries with images sees the feature ``image`` and judges by itself. The others, the
shipped one among them, would order what the source ``image`` found by everything else. For them each item's cosine
with the query's image is added, standardised over the items that have an image, in units of the list's score spread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from models.ask import Ask
from models.base.arrays import Floats
from models.features import INDEX
from models.retrieval.candidates import Candidates

if TYPE_CHECKING:
    from streams.handlers.brain import Brain

#: Spreads of the score that one spread of the cosine adds: beside a text, which has its say, and without one.
BESIDE_TEXT: Final = 2.0
ALONE: Final = 6.0
LEAST: Final = 1e-6


def image_match(
    ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
) -> tuple[str, Floats] | None:
    """A query with an image prefers what looks like it; an item without an image counts as the least alike."""
    if ask.query.image is None or "image" not in brain.plan.sources or brain.ranker.knows("image"):
        return None
    cosine = features[:, INDEX["image"]].astype(np.float64)
    seen = brain.catalogue.images.known(len(brain.catalogue))[candidates.rows]
    if not seen.any() or float(cosine[seen].std()) < LEAST:
        return None
    alike = np.where(seen, cosine, cosine[seen].min())
    alike = (alike - cosine[seen].mean()) / cosine[seen].std()
    spread = float(score.astype(np.float64).std())
    weight = (BESIDE_TEXT if ask.text.asked.strip() else ALONE) * (spread if spread > LEAST else 1.0)
    return "image_match", (weight * alike).astype(np.float32)
