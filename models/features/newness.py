"""How new an item is."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import NEW
from streamrank_client.vocabulary import DAY_MS, IMPRESSION

#: An item is unknown while fewer have seen it, and fewer have used it.
SEEN: Final = 100
USED: Final = 10


class Newness(Family):
    """How new the item is, and how long nobody did anything with it."""

    groups: ClassVar = {
        "newness": {
            "age": "log of the item's age in days",
            "idle": "log of the days since anyone did anything with the item",
            "is_new": "1 for an item of the last days that few have seen",
        },
    }
    sentences: ClassVar = {"newness": (NEW,)}

    def columns(self, of: Inputs) -> Columns:
        """Logs of days; and 1 for young items that few have seen and fewer have used."""
        now, counts = of.ask.query.now, of.counts
        first_time = of.catalogue.first_time[of.rows]
        kinds = counts["kinds"]
        used = kinds[:, 1:].sum(axis=1)
        idle = np.maximum(now - counts["last"], 0) / DAY_MS
        young = now - first_time < of.ask.query.new_days * DAY_MS
        unknown = (kinds[:, IMPRESSION] < SEEN) & (used < USED)
        return {
            "age": np.log1p(np.maximum(now - first_time, 0) / DAY_MS),
            "idle": np.log1p(np.where(used > 0, idle, 365.0)),
            "is_new": (young & unknown).astype(np.float32),
        }
