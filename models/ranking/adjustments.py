"""What is added to the scores of a list after the rankers: one function an adjustment, each a line of explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.retrieval.candidates import Candidates
from models.ranking.image_adjustment import image_match
from models.ranking.intent_adjustments import category, promotion, question, refinement

if TYPE_CHECKING:
    from streams.handlers.brain import Brain

Floats = NDArray[np.float32]


class Adjustment(Protocol):
    """Reads a list and names what it adds; changes nothing."""

    def __call__(
        self, ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain
    ) -> tuple[str, Floats] | None:
        """A name and (n,) float32 to add to ``score`` (n,), the rankers' own; None when there is nothing to add.

        ``features`` (n, F) in the order of ``models.features.FEATURES``; lists are never empty.
        """


#: All of them, in the order in which they are added; each sees the score without the others. Names are distinct.
ADJUSTMENTS: Final[tuple[Adjustment, ...]] = (promotion, question, category, refinement, image_match)


def adjust(ask: Ask, candidates: Candidates, features: Floats, score: Floats, brain: Brain) -> dict[str, Floats]:
    """What each adjustment adds to each candidate's score, (n,) by name: part of every explanation."""
    if not len(score):
        return {}
    found = (adjustment(ask, candidates, features, score, brain) for adjustment in ADJUSTMENTS)
    return dict(one for one in found if one is not None)
