"""Every adjustment: those shipped, then those that installed packages add."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.base.arrays import Floats
from models.base.plugins import installed
from models.ranking.adjustments.base import Adjustment, ScoredList
from models.ranking.adjustments.by_image import ImageMatch
from models.ranking.adjustments.by_intent import NamedCategory, Promotion, Question
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


def adjust(to: ScoredList) -> dict[str, Floats]:
    """What each adjustment adds to each candidate's score, (n,) by name: part of every explanation."""
    if not len(to.score):
        return {}
    base = BASE.added(to)
    if base is not None:
        to = replace(to, score=to.score + base)
    added = {one.name: one.added(to) if one is not BASE else base for one in ADJUSTMENTS}
    return {name: values for name, values in added.items() if values is not None}
