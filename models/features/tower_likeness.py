"""How near the item stands to the user's newest in the item tower."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.features.base import Columns, Family, Inputs


class TowerLikeness(Family):
    """Cosine of the item tower's vector with that of the newest liked item."""

    groups: ClassVar = {
        "tower_likeness": {
            "like_tower_newest": "cosine of its item tower vector with that of the user's newest item",
        },
    }

    def columns(self, of: Inputs) -> Columns:
        """0 where there is no tower or no item."""
        liked, tower = of.seen[of.weight > 0][:1], of.tower
        if tower is None or not len(liked):
            return {"like_tower_newest": np.zeros(len(of.rows), np.float32)}
        return {"like_tower_newest": np.einsum("ij,j->i", tower.take(of.rows), tower.take(liked)[0])}
