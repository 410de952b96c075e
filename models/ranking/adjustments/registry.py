"""Every adjustment: those shipped, then those that installed packages add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from models.base.arrays import Floats
from models.base.plugins import installed
from models.ranking.adjustments.base import Adjustment, ScoredList
from models.ranking.adjustments.by_image import ImageMatch
from models.ranking.adjustments.by_intent import Breadth, NamedCategory, Promotion, Question
from models.ranking.adjustments.by_likeness import Likeness
from models.ranking.adjustments.by_session import Refinement
from models.ranking.adjustments.by_text import TextMatch

#: What a score stands on, a search's and that of similar items: the others see the score with it.
BASES: Final[tuple[Adjustment, ...]] = (TextMatch(), Likeness())
#: In the order in which they are added; each sees the score with the bases and without the others.
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
    found = _added(BASES, to)
    to = _with(to, found)
    others = _added(ADJUSTMENTS, to)
    return found | others | _added((LAST,), _with(to, others))


def _with(to: ScoredList, added: Mapping[str, Floats]) -> ScoredList:
    """The list with what is added on its score."""
    score = to.score
    for values in added.values():
        score = score + values
    return replace(to, score=score)


def _added(adjustments: Sequence[Adjustment], to: ScoredList) -> dict[str, Floats]:
    """What each adds, where it adds anything."""
    found = {one.name: one.added(to) for one in adjustments}
    return {name: values for name, values in found.items() if values is not None}
