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
from models.ranking.adjustments.by_text import TextMatch

#: What a search's score stands on: the others see the score with it.
BASE: Final = TextMatch()
#: In the order in which they are added; each sees the score with the base and without the others.
ADJUSTMENTS: Final[tuple[Adjustment, ...]] = (
    BASE,
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
    base = BASE.added(to)
    if base is not None:
        to = replace(to, score=to.score + base)
    found = {one.name: base if one is BASE else one.added(to) for one in ADJUSTMENTS}
    added = {name: values for name, values in found.items() if values is not None}
    score = to.score
    for name, values in added.items():
        score = score + values if name != BASE.name else score
    moved = LAST.added(replace(to, score=score))
    return added if moved is None else {**added, LAST.name: moved}
