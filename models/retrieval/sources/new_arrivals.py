"""New arrivals: items of the last days, those near what is asked for or liked first, the newest first among equals.

Score: (1 + c) / 2, where c is the largest cosine of the item's compact vector with the query's text, the similar item,
or the user's short and long interest; 0.5 in a feed for a user of whom nothing is known. In (0, 1]; 0 for older items,
for those without a title, and on a search for those that do not match: by a word, or by meaning.

>>> from models.sample import asked, sample
>>> from models.retrieval.sources.base import candidates_of
>>> day = 86_400_000
>>> catalogue = sample(["red tea", "wine", "green tea"], time=[30 * day, 30 * day, 0])
>>> ask = asked("home", now=31 * day, short=catalogue.compact[2].copy())
>>> [catalogue.ids[row] for row in candidates_of(NewArrivals(), ask, catalogue, 10).rows]
['red tea', 'wine']
"""

from __future__ import annotations

from math import floor
from typing import Final

import numpy as np

from models.ask import Ask, Weighted
from models.base.arrays import Floats, Mask, Rows
from models.base.vectors import cosines, near_top, nearest
from models.items.catalogue import Catalogue
from models.retrieval.matching import NEAR, cosine_at
from models.retrieval.sentences import NEW
from models.retrieval.sources.base import Search, Source
from streamrank_client.vocabulary import DAY_MS

#: of many new items the newest so many are looked at (a whole catalogue is new when it is first read)
MOST: Final = 2_000
#: of these, the nearest to a search so many are compared with it in full, beside those that hold a word of it
COMPARED: Final = 400
#: where an item may be shown though nothing is known of what is wanted
FEEDS: Final = ("home", "cart")


class NewArrivals(Source):
    """Items that came lately."""

    name = "new_arrivals"
    meaning = "new, and near what is asked for or liked"
    surfaces = ("search", "home", "similar", "cart")
    weight = 0.3
    sentences = (NEW,)

    def candidates(self, search: Search, k: int) -> Weighted:
        """The nearest new items."""
        ask, catalogue = search.ask, search.catalogue
        first = catalogue.first_time
        rows = np.flatnonzero(first > _since(ask)).astype(np.int32)
        rows = rows[search.allowed.take(rows)]
        if not len(rows):
            return Weighted()
        if len(rows) > MOST:
            rows = rows[np.argsort(-first[rows], kind="stable")[:MOST]]
        wishes = _wishes(ask, catalogue) if ask.query.surface == "search" else []
        if wishes and len(rows) > COMPARED:
            near = near_top(nearest(catalogue.compact, rows, wishes), max(COMPARED, k))
            held = np.flatnonzero(catalogue.lexical.score(ask.text.tokens, rows))
            rows = rows[np.union1d(near, held)]
        weight = self.score(search, rows)
        order = np.lexsort((rows, -first[rows], -weight))[:k]
        order = order[weight[order] > 0]
        return Weighted(rows[order], weight[order])

    def score(self, search: Search, rows: Rows) -> Floats:
        """Each row's nearness; 0 for items that are not new."""
        ask, catalogue = search.ask, search.catalogue
        new = catalogue.first_time.take(rows) > _since(ask)
        if not new.any():
            return np.zeros(len(rows), np.float32)
        wishes = _wishes(ask, catalogue)
        if not wishes and ask.query.surface not in FEEDS:
            return np.zeros(len(rows), np.float32)
        near = nearest(catalogue.compact, rows, wishes) if wishes else np.zeros(len(rows), np.float32)
        new &= catalogue.compact.take(rows, axis=0).any(axis=1)
        if ask.query.surface == "search" and ask.text.vector is not None:
            new &= _matching(ask, ask.text.vector, catalogue, rows)
        score: Floats = np.where(new, np.maximum((1 + near) / 2, 1e-6), 0).astype(np.float32)
        return score


def _matching(ask: Ask, vector: Floats, catalogue: Catalogue, rows: Rows) -> Mask:
    """Which of the rows share a word with a search, or are near to its meaning, (n,) bool."""
    meant = cosines(catalogue.vectors, rows, vector) >= cosine_at(NEAR, ask.text.unrelated)
    held: Mask = catalogue.lexical.score(ask.text.tokens, rows) > 0
    return held | meant


def _since(ask: Ask) -> int:
    """The last moment, Unix ms, at which an item came that is not new any more."""
    return floor(ask.query.now - ask.query.new_days * DAY_MS)


def _wishes(ask: Ask, catalogue: Catalogue) -> list[Floats]:
    """What new items should be near: the query's meaning, the item that similar ones are wanted to, else interests."""
    if ask.similar_to >= 0:
        return [catalogue.compact[ask.similar_to]]
    wishes = [ask.text.compact] if ask.text.compact is not None else [ask.user.short, ask.user.long]
    return [wish for wish in wishes if wish.any()]
