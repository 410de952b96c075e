"""What the shopper means changes the order of a search: the effects of each intent, as adjustments.

Every effect is scaled by the intent's confidence; ``unknown`` changes nothing. An intent is a guess: it re-orders what
matches, and takes nothing away.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Floats, Mask
from models.features.registry import INDEX
from models.ranking.adjustments.base import Adjustment, ScoredList, in_spreads
from models.ranking.diversity import PageShare, paged
from models.retrieval.intent_candidates import named_categories, of_product, sure
from models.retrieval.sentences import RATED, REDUCED

#: A quarter off is three spreads: above all that the words happen to resemble.
DISCOUNT: Final = 12.0
#: What is of the product named outweighs what the words of promotions resemble.
NAMED_PRODUCT: Final = 2.0
#: The product in question stands first unless another fits the words nearly as well.
IN_QUESTION: Final = 3.0
#: The product that a question points back to ("is it true to size") stands first whatever the words resemble.
POINTED_AT: Final = 8.0
#: Between the same match, a rating of 5 beats the mean of 3.5 by one spread.
WELL_RATED: Final = 1.0
MEAN_RATING: Final = 3.5
BEST_RATING: Final = 5.0
#: Of the named category, or not, outweighs what the words say.
NAMED_CATEGORY: Final = 2.0
#: Breadth for browsing: at most a third of a page of one leaf category or brand, but two.
SHARE_OF_PAGE: Final = 3
FEWEST: Final = 2
#: Parts of the list's spread by which items that change places stay apart.
APART: Final = 1e-4


class Promotion(Adjustment):
    """A promotion hunt prefers what is discounted now, by how much; where it names a product, only of that."""

    name = "intent:promotion"
    sentences = (REDUCED,)

    def added(self, to: ScoredList) -> Floats | None:
        """By the share of the price that is off."""
        confidence = sure(to.ask, "promotion")
        if not confidence:
            return None
        rows = to.candidates.rows
        effect = DISCOUNT * to.catalogue.discount_at(to.ask.query.now, rows)
        if to.ask.text.product is not None:
            effect = of_product(to.ask, to.catalogue, rows) * (NAMED_PRODUCT + effect)
        return in_spreads(confidence * effect, to.score)


class Question(Adjustment):
    """A product question prefers the product in question, then well-rated ones."""

    name = "intent:product_question"
    sentences = (RATED,)

    def added(self, to: ScoredList) -> Floats | None:
        """By how well an item fits the words, or that it is the one pointed at, and by its rating."""
        confidence = sure(to.ask, "product_question")
        if not confidence:
            return None
        rated = (to.features[:, INDEX["rating"]] - MEAN_RATING) / (BEST_RATING - MEAN_RATING)
        if len(to.ask.text.about):
            match = POINTED_AT * np.isin(to.candidates.rows, to.ask.text.about)
        else:
            match = _match(to.features)
            rated, match = rated * match, IN_QUESTION * match
        return in_spreads(confidence * (match + WELL_RATED * rated), to.score)


class NamedCategory(Adjustment):
    """Browsing prefers items of a category that the text names."""

    name = "intent:category_browse"

    def added(self, to: ScoredList) -> Floats | None:
        """The same for all items inside."""
        confidence = sure(to.ask, "category_browse")
        codes = named_categories(to.ask, to.catalogue) if confidence else []
        if not codes:
            return None
        wanted = set(codes)
        inside = np.array([code in wanted for code in to.catalogue.category[to.candidates.rows].tolist()], np.float32)
        return in_spreads(NAMED_CATEGORY * confidence * inside, to.score)


class Breadth(Adjustment):
    """Browsing shows a category's kinds and brands in turn: items that match change places among themselves."""

    name = "breadth"

    def added(self, to: ScoredList) -> Floats | None:
        """What gives each item that matches the score of the place it moves to; 0 for all others."""
        if not sure(to.ask, "category_browse"):
            return None
        order = np.lexsort((to.candidates.rows, -to.score))
        order = order[self._matching(to)[order]]
        query, rows = to.ask.query, to.candidates.rows[order]
        most = max(-(-query.limit // SHARE_OF_PAGE), FEWEST)
        shares = [
            PageShare(kinds, most)
            for kinds in (to.catalogue.category[rows].tolist(), to.catalogue.brand[rows].tolist())
            if len(set(kinds)) > 1
        ]
        if not shares:
            return None
        broad = order[paged(range(len(order)), shares, [], query.limit, query.offset + 2 * query.limit).order]
        scores = to.score[order].astype(np.float64)
        scores -= APART * max(float(to.score.std()), 1.0) * np.arange(len(order))
        added = np.zeros(len(to.score), np.float32)
        added[broad] = scores - to.score[broad]
        return added

    def _matching(self, to: ScoredList) -> Mask:
        """Which candidates hold all the text's words, or are of a category that it names, (n,) bool."""
        rows = to.candidates.rows
        held = np.isin(rows, to.catalogue.lexical.holding(to.ask.text.tokens))
        out: Mask = held | np.isin(to.catalogue.category[rows], named_categories(to.ask, to.catalogue))
        return out


def _match(features: Floats) -> Floats:
    """How well each candidate fits the words, or where none does the meaning, as a share of the best, squared."""
    for name in ("lexical", "semantic"):
        column = features[:, INDEX[name]]
        if column.max() > 0:
            share: Floats = np.square(np.maximum(column, 0) / column.max())
            return share
    return np.zeros(len(features), np.float32)
