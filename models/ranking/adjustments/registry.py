"""Every adjustment: those shipped, then those that installed packages add."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.base.arrays import Floats
from models.base.plugins import installed
from models.ranking.adjustments.base import Adjustment, ScoredList
from models.ranking.adjustments.by_image import ImageMatch
from models.ranking.adjustments.by_intent import Breadth, NamedCategory, Promotion, Question
from models.ranking.adjustments.by_session import Refinement

#: In the order in which they are added; each sees the score without the others.
ADJUSTMENTS: Final[tuple[Adjustment, ...]] = (
    Promotion(),
    Question(),
    NamedCategory(),
    Refinement(),
    ImageMatch(),
    *installed("streamrank.adjustments", Adjustment),  # type: ignore[type-abstract]
)
#: What moves items whose scores are added up; it sees the score with all others.
LAST: Final = Breadth()


def adjust(to: ScoredList) -> dict[str, Floats]:
    """What each adjustment adds to each candidate's score, (n,) by name: part of every explanation."""
    if not len(to.score):
        return {}
    found = {one.name: one.added(to) for one in ADJUSTMENTS}
    added = {name: values for name, values in found.items() if values is not None}
    score = to.score
    for values in added.values():
        score = score + values
    moved = LAST.added(replace(to, score=score))
    return added if moved is None else {**added, LAST.name: moved}
