"""What this user did with this very item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.base.vectors import places
from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import OWN
from streamrank_client.vocabulary import HOUR_S, PURCHASE


class OwnHistory(Family):
    """What the user did with each candidate, of the recent events."""

    groups: ClassVar = {
        "own_history": {
            "own_events": "number of the user's recent events on the item",
            "own_events_hour": "the same, in the last hour",
            "own_weight": "weight of the user's recent events on the item",
            "own_recency": "how lately the user did something with the item: 1 now, 0.5 after an hour, 0 never",
            "own_purchases": "number of the user's recent purchases of the item",
        },
    }
    sentences: ClassVar = {"own_history": (OWN,)}

    def columns(self, of: Inputs) -> Columns:
        """Counts, the sum of weights, and how lately."""
        n = len(of.rows)
        place = places(of.rows, of.seen)
        hit = np.flatnonzero(place >= 0)
        where = place.take(hit)
        recency = np.zeros(n, np.float32)
        np.maximum.at(recency, where, (HOUR_S / (HOUR_S + of.age)).take(hit))

        def total(values: NDArray[np.generic]) -> Floats:
            return np.bincount(where, values.take(hit), n).astype(np.float32)

        return {
            "own_events": np.bincount(where, minlength=n).astype(np.float32),
            "own_events_hour": total(of.young),
            "own_weight": total(of.weight),
            "own_recency": recency,
            "own_purchases": total(of.kind == PURCHASE),
        }
