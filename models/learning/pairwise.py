"""A choice as pairs: what was chosen against what was shown beside it. Knows nothing of who learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.base.arrays import Floats
from models.base.errors import ModelError


class FeedbackError(ModelError):
    """Feedback that cannot be learnt from: wrong width, or numbers that are not finite."""


@dataclass(frozen=True, slots=True)
class PairwiseFeedback:
    """One chosen item and those passed over: rows of inputs in the order of ``INPUTS``, as they were served.

    ``clicked`` (d,), ``skipped`` (s, d); ``weight``: of the behaviour (a click 1, a purchase more), above 0.
    """

    clicked: Floats
    skipped: Floats
    weight: float = 1.0


def skipped_positions(position: int, shown: int, chosen: Sequence[int] = ()) -> list[int]:
    """Positions passed over by a choice at ``position`` of ``shown``: all the others.

    Those below the click may not have been looked at. Without them every pair of a click deep in the list speaks
    against the order that was shown, and nothing for it: the offline score's weight sinks, in the end below 0
    (docs/quality.md). ``chosen``: positions chosen before in the same answer, which were not passed over.

    >>> skipped_positions(2, 5), skipped_positions(2, 3, chosen=[0])
    ([0, 1, 3, 4], [1])
    """
    return [p for p in range(shown) if p != position and p not in set(chosen)]
