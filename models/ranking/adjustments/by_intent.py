"""What the shopper means changes the answer of a search: the effects of each intent, as adjustments and as rules.

Every effect is scaled by the intent's confidence; ``unknown`` changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from models.ask import Ask
from models.base.arrays import Floats
from models.features.registry import INDEX
from models.ranking.adjustments.base import Adjustment, ScoredList, in_spreads
from models.retrieval.intent_candidates import named_categories, product_words, sure
from models.retrieval.sentences import RATED, REDUCED
from models.shop.rules import Rules

#: A quarter off is two spreads: above all that the words happen to resemble.
DISCOUNT: Final = 8.0
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
#: Breadth for browsing: at most a third of a page of one leaf category or brand, but two; some variety beyond that.
SHARE_OF_PAGE: Final = 3
FEWEST: Final = 2
VARIETY: Final = 0.3


class Promotion(Adjustment):
    """A promotion hunt prefers what is discounted now, by how much; where it names a product, what holds its words."""

    name = "intent:promotion"
    sentences = (REDUCED,)

    def added(self, to: ScoredList) -> Floats | None:
        """By the share of the price that is off."""
        confidence = sure(to.ask, "promotion")
        if not confidence:
            return None
        discount = to.catalogue.discount_at(to.ask.query.now, to.candidates.rows)
        product = product_words(to.ask, to.catalogue)
        if product:
            discount = discount * (to.catalogue.lexical.score(product, to.candidates.rows) > 0)
        return in_spreads(DISCOUNT * confidence * discount, to.score)


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
            match = IN_QUESTION * _match(to.features)
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


def broad(ask: Ask, rules: Rules) -> Rules:
    """The rules of a list; those of browsing give breadth where the shop's own say nothing."""
    if not sure(ask, "category_browse"):
        return rules
    most = max(-(-ask.query.limit // SHARE_OF_PAGE), FEWEST)
    return replace(
        rules,
        per_category=(("search", most), *rules.per_category),
        per_brand=(("search", most), *rules.per_brand),
        diversity=(("search", VARIETY), *rules.diversity),
    )


def _match(features: Floats) -> Floats:
    """How well each candidate fits the words, or where none does the meaning, as a share of the best, squared."""
    for name in ("lexical", "semantic"):
        column = features[:, INDEX[name]]
        if column.max() > 0:
            share: Floats = np.square(np.maximum(column, 0) / column.max())
            return share
    return np.zeros(len(features), np.float32)
