"""What became of an item so far: how much it is asked for, and how it did."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import POPULAR, RATED
from streamrank_client.vocabulary import ADD_TO_CART, CLICK, DAY_MS, IMPRESSION, PURCHASE, RATING, VIEW
from streamrank_client.vocabulary import POPULARITY_DAYS as HALF_LIVES

POPULARITY_DAYS: Final = np.array(HALF_LIVES)


class TrackRecord(Family):
    """Popularity decayed to the query's time, counts, smoothed rates."""

    groups: ClassVar = {
        "popularity": {
            "popularity_1_day": "weight of events on the item, half-life 1 day",
            "popularity_7_days": "weight of events on the item, half-life 7 days",
            "popularity_30_days": "weight of events on the item, half-life 30 days",
            "popularity_180_days": "weight of events on the item, half-life 180 days",
            "popularity_6_hours": "weight of events on the item, half-life 6 hours",
        },
        "track_record": {
            "views": "log of the number of views",
            "clicks": "log of the number of clicks",
            "carts": "log of the number of times put in a basket",
            "purchases": "log of the number of purchases",
            "click_rate": "clicks per impression, smoothed",
            "purchase_rate": "purchases per event, smoothed",
            "rating": "mean rating (0 to 5), smoothed",
        },
    }
    sentences: ClassVar = {"popularity": (POPULAR,), "track_record": (RATED,)}

    def columns(self, of: Inputs) -> Columns:
        """Sums, logs of counts, and rates."""
        counts = of.counts
        kinds = counts["kinds"].astype(np.float32)
        idle = np.maximum(of.ask.query.now - counts["last"], 0) / DAY_MS
        popularity = counts["popularity"] * np.exp2(-idle[:, None] / POPULARITY_DAYS)
        events = kinds[:, 1:].sum(axis=1)
        logs = np.log1p(kinds)
        ratings = kinds[:, RATING]
        return {
            "popularity_1_day": popularity[:, 0],
            "popularity_7_days": popularity[:, 1],
            "popularity_30_days": popularity[:, 2],
            "popularity_180_days": popularity[:, 3],
            "popularity_6_hours": popularity[:, 4],
            "views": logs[:, VIEW],
            "clicks": logs[:, CLICK],
            "carts": logs[:, ADD_TO_CART],
            "purchases": logs[:, PURCHASE],
            "click_rate": (kinds[:, CLICK] + 1) / (kinds[:, IMPRESSION] + 20),
            "purchase_rate": (kinds[:, PURCHASE] + 1) / (events + 20),
            "rating": (counts["ratings"] + 5 * 3.5) / (ratings + 5),
        }
