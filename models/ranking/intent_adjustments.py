"""What the shopper means changes the answer of a search: the effects of each intent, as adjustments and as rules.

Every effect is scaled by the intent's confidence; ``unknown`` changes nothing. An adjustment is given in units of the
list's score spread (its standard deviation), because rankers differ in the scale of their scores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Floats
from models.features import INDEX
from models.shop.rules import Rules
from models.retrieval.candidates import Candidates
from models.retrieval.intent_candidates import named_categories, product_words, sure

if TYPE_CHECKING:
    from streams.handlers.brain import Brain

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
#: What a refinement asked for ("red", "xl", a brand) outweighs everything that the ranker knows: the others follow.
REFINED: Final = 6.0
#: Breadth for browsing: at most a third of a page of one leaf category or brand, but two; some variety beyond that.
SHARE_OF_PAGE: Final = 3
FEWEST: Final = 2
VARIETY: Final = 0.3


def promotion(
    ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
) -> tuple[str, Floats] | None:
    """A promotion hunt prefers what is discounted now, by how much; where it names a product, what holds its words."""
    confidence = sure(ask, "promotion")
    if not confidence:
        return None
    discount = brain.catalogue.discount_at(ask.query.now, candidates.rows)
    product = product_words(ask, brain.catalogue)
    if product:
        discount = discount * (brain.catalogue.lexical.score(product, candidates.rows) > 0)
    return "intent:promotion", _added(DISCOUNT * confidence * discount, score)


def question(
    ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
) -> tuple[str, Floats] | None:
    """A product question prefers the product in question, then well-rated ones."""
    confidence = sure(ask, "product_question")
    if not confidence:
        return None
    rated = (features[:, INDEX["rating"]] - MEAN_RATING) / (BEST_RATING - MEAN_RATING)
    if len(ask.text.about):
        match = POINTED_AT * np.isin(candidates.rows, ask.text.about)
    else:
        match = IN_QUESTION * _match(features)
    return "intent:product_question", _added(confidence * (match + WELL_RATED * rated), score)


def category(
    ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
) -> tuple[str, Floats] | None:
    """Browsing prefers items of a category that the text names."""
    confidence = sure(ask, "category_browse")
    codes = named_categories(ask, brain.catalogue) if confidence else []
    if not codes:
        return None
    wanted = set(codes)
    inside = np.array([code in wanted for code in brain.catalogue.category[candidates.rows].tolist()], np.float32)
    return "intent:category_browse", _added(NAMED_CATEGORY * confidence * inside, score)


def refinement(
    ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
) -> tuple[str, Floats] | None:
    """A search that refines another prefers what it asked for."""
    if not len(ask.text.preferred):
        return None
    # ascending rows: a search for each candidate takes microseconds, np.isin on thousands of rows a millisecond
    place = np.minimum(np.searchsorted(ask.text.preferred, candidates.rows), len(ask.text.preferred) - 1)
    return "session", _added(REFINED * (ask.text.preferred[place] == candidates.rows), score)


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


def _added(effect: NDArray[np.floating], score: Floats) -> Floats:
    """An effect in units of the list's spread; one unit where all scores are equal."""
    spread = float(score.std())
    return (effect * (spread if spread > 1e-6 else 1.0)).astype(np.float32)
