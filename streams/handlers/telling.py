"""What an explained answer tells of each item: contributions, features, and a sentence in the query's language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.base.arrays import Places
from models.features.registry import FEATURES
from models.items.catalogue import Catalogue
from models.ranking.explanations import DIGITS, LEAST, NOT_EXPLAINED, reasons
from models.ranking.ranker import RankInput
from models.ranking.reasons import in_words
from models.retrieval.facts import Case
from streamrank_client.answers import AnswerItem
from streams.handlers import budget
from streams.handlers.ranking import Ranked


def explain(items: Sequence[AnswerItem], ranked: Ranked, places: Places, catalogue: Catalogue) -> bool:
    """Fill in ``reasons``, ``features`` and ``why`` of the items at ``places`` of the ranked list.

    Returns whether all of it is explained, among all candidates; the plan's budget may be less.
    """
    for item, place in zip(items, places.tolist(), strict=True):
        values = ranked.features[place].tolist()
        item.features = {name: round(value, DIGITS) for name, value in zip(FEATURES, values, strict=True) if value}
    n = len(ranked.score)
    most = budget.explained(n, ranked.plan.work)
    told = places[:most]
    found = _reasons(ranked, told) if most == n else _reasons_among(ranked, told, most)
    for item, place, contributions in zip(items, told.tolist(), found, strict=False):
        item.reasons = contributions
        if ranked.query.language is not None:
            row = int(ranked.candidates.rows[place])
            own = dict(zip(FEATURES, ranked.features[place].tolist(), strict=True))
            case = Case(ranked.ask, catalogue, row, own.__getitem__)
            item.why = in_words(case, contributions, item.sources, ranked.query.language)
    return most == n


def _reasons(ranked: Ranked, places: Places) -> list[dict[str, float]]:
    return reasons(ranked.ranker, ranked.rank_input, ranked.offline, ranked.weights, ranked.adjustments, places)


def _reasons_among(ranked: Ranked, places: Places, most: int) -> list[dict[str, float]]:
    """The reasons of ``places`` among these and the best others, ``most`` in all.

    What the rest of the list changes is a line of its own, so that they add up to the scores all the same.
    """
    others = np.setdiff1d(np.arange(len(ranked.score)), places)[: most - len(places)]
    some = np.concatenate([places, others])
    whole = ranked.rank_input
    among = RankInput(whole.features[some], whole.candidates[some], whole.recent, whole.recent_weight)
    adjustments = {name: added[some] for name, added in ranked.adjustments.items()}
    offline = ranked.ranker.score([among])[0]
    found = reasons(ranked.ranker, among, offline, ranked.weights, adjustments, np.arange(len(places)))
    for place, contributions in zip(places.tolist(), found, strict=True):
        rest = round(float(ranked.score[place]) - sum(contributions.values()), DIGITS)
        if abs(rest) >= LEAST:
            contributions[NOT_EXPLAINED] = rest
    return found
