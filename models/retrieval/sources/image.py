"""Image: items that look like the query's image, like the anchor item, or like what the user took last.

Score: the cosine of the image vectors, in [-1, 1]; candidates have one above 0, and an item without an image has 0.
The direction is the query's image where it has one; else, on ``similar``, the item's; on ``home`` and ``cart`` the
mean of the newest five anchors that have an image (a cart's items come first). Two stages: the 400 items whose
codes of 512 bits differ least from the direction's (``models.items.images``), rescored exactly.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> catalogue = sample(["a", "b", "c"], image=[np.eye(4)[1].astype("<f2").tobytes(), b"",
...                                            np.eye(4)[2].astype("<f2").tobytes()], dim=4)
>>> ask = asked("search", image=np.array([0, 0.6, 0.8, 0], np.float32))
>>> found = candidates_of(Image(), ask, catalogue, 10)
>>> [catalogue.ids[row] for row in found.rows], [round(float(w), 2) for w in found.weight]
(['c', 'a'], [0.8, 0.6])
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sentences import PICTURED
from models.retrieval.sources.base import Search, Source
from models.retrieval.tables import best

RESCORED: Final = 400
ANCHORS: Final = 5
#: More bits than two codes can differ in.
FAR: Final = np.uint16(1 << 15)


class Image(Source):
    """Items by what they look like."""

    name = "image"
    meaning = "looks like what was asked for"
    surfaces = ("search", "home", "similar", "cart")
    weight = 0.5
    sentences = (PICTURED,)

    def candidates(self, search: Search, k: int) -> Weighted:
        """The nearest of the 400 whose codes are nearest; of equally near codes the liked rows, then by row."""
        ask, catalogue = search.ask, search.catalogue
        direction = _direction(ask, catalogue)
        end = len(catalogue.images)
        shown = search.allowed[:end] & catalogue.images.known(end)
        if direction is None or not shown.any():
            return Weighted()
        far = np.where(shown, catalogue.images.distances(direction), FAR)
        few = min(max(RESCORED, k), len(far))
        rows = np.flatnonzero(far <= min(np.partition(far, few - 1)[few - 1], FAR - 1)).astype(np.int32)
        rows = np.sort(best(rows, (FAR - far[rows]).astype(np.float32), few, search.liked).rows)
        return best(rows, catalogue.images.cosines(rows, direction), k, search.liked)

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's cosine; 0 for a row without an image, or without anything to compare with."""
        ask, catalogue = search.ask, search.catalogue
        direction = _direction(ask, catalogue)
        return np.zeros(len(rows), np.float32) if direction is None else catalogue.images.cosines(rows, direction)


def _direction(ask: Ask, catalogue: Catalogue) -> Floats | None:
    """What is looked for, unit length; None when nothing is known of it."""
    images = catalogue.images
    if ask.query.image is not None or ask.query.surface not in ("similar", "home", "cart"):
        return ask.query.image
    seen = (
        images.having(ask.crowd.anchors[:1])
        if ask.query.surface == "similar"
        else images.having(ask.crowd.anchors)[:ANCHORS]
    )
    if not len(seen):
        return None
    mean = images.vectors(seen).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return None if length < 1e-6 else np.asarray(mean / np.float32(length), np.float32)
