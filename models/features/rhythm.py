"""What the user buys again and again."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.base.vectors import places
from models.features.base import Columns, Family, Inputs
from models.retrieval.sources.repurchase import gaps


class PurchaseRhythm(Family):
    """What the user buys again, and how due it is."""

    groups: ClassVar = {
        "rhythm": {
            "bought_days": "log of the number of days on which the user bought the item",
            "due": "days since the user last bought it over the mean gap between purchases, at most 4",
        },
    }

    def columns(self, of: Inputs) -> Columns:
        """Zeros for items that the user never bought."""
        had, n = of.ask.user.bought, len(of.rows)
        columns = {"bought_days": np.zeros(n, np.float32), "due": np.zeros(n, np.float32)}
        if len(had.rows):
            place = places(of.rows, had.rows)
            # from the last to the first: of two with one row the first counts
            own = np.flatnonzero(place >= 0)[::-1]
            where = place.take(own)
            columns["bought_days"][where] = np.log1p(had.count).take(own)
            columns["due"][where] = np.minimum(had.since / gaps(had), 4).take(own)
        return columns
