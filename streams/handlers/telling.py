"""What an explained answer tells of each item: contributions, features, and a sentence in the query's language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.retrieval.facts import Case
from models.features.registry import FEATURES
from models.ranking.reasons import in_words
from streams.handlers.brain import Brain
from streamrank_client.answers import AnswerItem
from models.ranking.explanations import DIGITS, reasons
from streams.handlers.ranking import Ranked


def explain(items: Sequence[AnswerItem], ranked: Ranked, places: NDArray[np.intp], brain: Brain) -> None:
    """Fill in ``reasons``, ``features`` and ``why`` of the items at ``places`` of the ranked list."""
    ranker = brain.ranker_for(ranked.plan)
    found = reasons(ranker, ranked.rank_input, ranked.offline, ranked.weights, ranked.adjustments, places)
    for item, place, contributions in zip(items, places.tolist(), found, strict=True):
        item.reasons = contributions
        values = ranked.features[place].tolist()
        item.features = {name: round(value, DIGITS) for name, value in zip(FEATURES, values, strict=True) if value}
        if ranked.query.language is not None:
            case = Case(ranked.ask, brain.catalogue, int(ranked.candidates.rows[place]), ranked.features[place])
            item.why = in_words(case, contributions, item.sources, ranked.query.language)
