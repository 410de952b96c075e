"""What matches a query, beyond the candidates that are ranked: how many items, and in another order than by relevance.

An item matches a text if it holds all its words, or what they were expanded by; where no item does, if it holds one of
them; where none does, if its title is near in meaning. Without a text everything matches that may be shown.

>>> from models.sample import asked, sample
>>> catalogue = sample(["red tea", "green tea", "wine"], price=[3.0, 2.0, 9.0])
>>> ask = asked("search", tokens=("red", "tea"))
>>> matching(ask, catalogue, catalogue.recommendable).tolist()
[True, False, False]
>>> in_order(matching(asked("home"), catalogue, catalogue.recommendable), "price", 0, catalogue).tolist()
[1, 0, 2]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask
from models.base.arrays import Doubles, Mask, Places, Rows
from models.items.catalogue import Catalogue
from models.retrieval.variants import first_of_groups

#: cosine of a title with a text from which on it counts as near in meaning
NEAR: Final = 0.5
#: items that are put in order by their ratings, at most; those of the newest events
RATED: Final = 2_000


def matching(ask: Ask, catalogue: Catalogue, allowed: Mask) -> Mask:
    """Which of the ``allowed`` rows match what is asked for, (n,) bool."""
    tokens = dict.fromkeys(ask.text.tokens)
    if ask.query.surface != "search" or not (tokens or ask.text.compact is not None):
        return allowed
    held = np.zeros(len(catalogue), np.int32)
    for token in tokens:
        terms = [token, *(one.term for one in ask.text.expansion if one.of == token)]
        held += catalogue.lexical.scores(terms, len(catalogue)) > 0
    held[~allowed] = 0
    most = int(held.max(initial=0))
    if most:
        return held >= (most if most == len(tokens) else 1)
    if ask.text.compact is None:
        return np.zeros(len(catalogue), np.bool_)
    return allowed & (catalogue.compact @ ask.text.compact >= NEAR)


def how_many(matches: Mask, catalogue: Catalogue) -> int:
    """How many items match, variants of one product counted once."""
    return len(first_of_groups(catalogue.group[matches]))


def in_order(matches: Mask, sort: str, now: int, catalogue: Catalogue) -> Rows:
    """The matching rows by price at ``now``, or newest first, one of each group, (m,); ties by row, unknown prices
    last.
    """
    rows = np.flatnonzero(matches).astype(np.int32)
    if sort in ("price", "price_desc"):
        price = catalogue.price_at(now, rows).astype(np.float64)
        value = -price if sort == "price_desc" else price
    else:
        value = -catalogue.first_time[rows].astype(np.float64)
    rows = rows[np.argsort(value, kind="stable")]  # NaN goes last
    return rows[first_of_groups(catalogue.group[rows])]


def by_rating(ratings: Doubles, count: Doubles) -> Places:
    """Places by the mean of ratings, best first, those of most ratings first among equals, unrated ones last.

    >>> by_rating(np.array([0.0, 8.0, 5.0]), np.array([0.0, 2.0, 1.0])).tolist()
    [2, 1, 0]
    """
    mean = np.where(count > 0, ratings / np.maximum(count, 1), -1)
    return np.lexsort((-count, -mean))
