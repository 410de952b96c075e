"""The case that a list is ranked in: it tells the network which one it has before it."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.features.base import Columns, Family, Inputs


class Situation(Family):
    """What is the same for every candidate of a list."""

    groups: ClassVar = {
        "situation": {
            "user_events": "log of the number of the user's events",
            "basket_size": "log of the number of items of the user in the last hour",
            "has_text": "1 when the query has a text",
            "text_words": "log of the number of words of the query",
        },
    }

    def columns(self, of: Inputs) -> Columns:
        """One number for all candidates in each column."""
        n, text = len(of.rows), of.ask.text
        basket = len(set(of.seen[of.young].tolist()))
        words = len(text.tokens) if text.tokens else len(text.asked.split())
        return {
            "user_events": np.full(n, np.log1p(max(of.ask.user.events, 0)), np.float32),
            "basket_size": np.full(n, np.log1p(basket), np.float32),
            "has_text": np.full(n, bool(text.asked), np.float32),
            "text_words": np.full(n, np.log1p(words), np.float32),
        }
