"""What an explained answer tells of each item: contributions, features, and a sentence in the query's language."""

from __future__ import annotations

from collections.abc import Sequence

from models.base.arrays import Places
from models.features.registry import FEATURES
from models.items.catalogue import Catalogue
from models.ranking.explanations import DIGITS, reasons
from models.ranking.reasons import in_words
from models.retrieval.facts import Case
from streamrank_client.answers import AnswerItem
from streams.handlers.ranking import Ranked


def explain(items: Sequence[AnswerItem], ranked: Ranked, places: Places, catalogue: Catalogue) -> None:
    """Fill in ``reasons``, ``features`` and ``why`` of the items at ``places`` of the ranked list."""
    found = reasons(ranked.ranker, ranked.rank_input, ranked.offline, ranked.weights, ranked.adjustments, places)
    for item, place, contributions in zip(items, places.tolist(), found, strict=True):
        item.reasons = contributions
        values = ranked.features[place].tolist()
        item.features = {name: round(value, DIGITS) for name, value in zip(FEATURES, values, strict=True) if value}
        if ranked.query.language is not None:
            row, own = int(ranked.candidates.rows[place]), dict(zip(FEATURES, values, strict=True))
            case = Case(ranked.ask, catalogue, row, own.__getitem__)
            item.why = in_words(case, contributions, item.sources, ranked.query.language)
