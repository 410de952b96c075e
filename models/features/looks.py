"""What the item looks like."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import PICTURED


class Looks(Family):
    """Cosine of the image with that of the newest liked item that has one."""

    groups: ClassVar = {
        "looks": {
            "like_image_newest": "cosine of its image with that of the user's newest item that has one",
        },
    }
    sentences: ClassVar = {"looks": (PICTURED,)}

    def columns(self, of: Inputs) -> Columns:
        """0 where either image is missing."""
        images = of.catalogue.images
        liked = images.having(of.seen[of.weight > 0])[:1]
        if not len(liked):
            return {"like_image_newest": np.zeros(len(of.rows), np.float32)}
        return {"like_image_newest": images.cosines(of.rows, images.vectors(liked)[0])}
