"""What an adjustment is: something that is added to a list's scores after the rankers, with a name of its own.

An adjustment of the shop's own is a class like those beside this file, named by an installed package in the entry
point group ``streamrank.adjustments``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Floats
from models.items.catalogue import Catalogue
from models.ranking.ranker import Ranker
from models.retrieval.candidates import Candidates
from models.retrieval.sentences import Sentence
from models.retrieval.text_evidence import Evidence


@dataclass(frozen=True, slots=True)
class ScoredList:
    """A list as the rankers left it; it is never empty.

    ``features`` (n, F) in the order of ``FEATURES``; ``score`` (n,): the rankers' own, with what a search's text says
    of the items on top, and no other adjustment; ``ranker``: the one that scored it; ``sources``: those in use;
    ``text``: what the query's text says of the items, None where there is none.
    """

    ask: Ask
    catalogue: Catalogue
    candidates: Candidates
    features: Floats
    score: Floats
    ranker: Ranker
    sources: tuple[str, ...]
    text: Evidence | None = None


class Adjustment(ABC):
    """Reads a list and says what it adds. ``name``: its line in explanations; ``sentences``: what may be said of it."""

    name: ClassVar[str]
    sentences: ClassVar[tuple[Sentence, ...]] = ()

    @abstractmethod
    def added(self, to: ScoredList) -> Floats | None:
        """What to add to each score, (n,) float32; None when there is nothing to add."""


#: Spreads of the score that one whole part of a base adds: of what a text says, or of likeness.
STRENGTH: Final = 6.0
#: Meaning counts so many times as much as words or categories.
MEANING: Final = 2.0


def between_extremes(cosine: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each as its place between the smallest and the largest, 0 to 1; all 0 where they are equal.

    >>> between_extremes(np.array([0.25, 0.5, 0.75])).tolist(), between_extremes(np.array([0.5, 0.5])).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.0])
    """
    places: NDArray[np.floating] = (cosine - cosine.min()) / max(float(cosine.max() - cosine.min()), 1e-9)
    return places


def in_spreads(effect: NDArray[np.floating], score: Floats) -> Floats:
    """An effect given in units of the list's spread (its standard deviation), because rankers differ in the scale of
    their scores; one unit is 1 where all scores are equal.

    >>> in_spreads(np.array([2.0, 0.0]), np.array([1, 3], np.float32)).tolist()
    [2.0, 0.0]
    """
    spread = float(score.std())
    return (effect * (spread if spread > 1e-6 else 1.0)).astype(np.float32)
