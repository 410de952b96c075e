"""The drift alarm: has the loss of the answers risen for good?

Page and Hinkley's test on the prequential loss (Page, "Continuous inspection schemes", 1954; Gama et al., "On
evaluating stream learning algorithms", 2013): the sum of how far each loss is above the mean so far, less a slack,
must not rise far above its least. In simulations with losses like those of the public logs (docs/quality.md) a list
metric that falls to a third or by two fifths is told within 400 feedbacks.

>>> alarm = DriftAlarm()
>>> sum(alarm.update(0.2) for _ in range(1_000))
0
>>> next(n for n in range(400) if alarm.update(0.6))
32
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from river import drift

#: losses before it can be told; what a loss may lie above the mean; how high the sum may rise
LEAST: Final = 200
SLACK: Final = 0.02
HEIGHT: Final = 12.0


class DriftAlarm:
    """Fed with losses from 0 to 1 in order; after an alarm it begins again."""

    def __init__(self) -> None:
        self._test = drift.PageHinkley(min_instances=LEAST, delta=SLACK, threshold=HEIGHT, alpha=1.0, mode="up")
        self.seen = 0
        self.alarms = 0

    def update(self, loss: float) -> bool:
        """Take one loss; True when it raises the alarm."""
        self._test.update(loss)  # type: ignore[no-untyped-call]
        self.seen += 1
        told = bool(self._test.drift_detected)
        self.alarms += told
        return told


def alarms(losses: NDArray[np.float64]) -> list[int]:
    """The places in ``losses`` at which the alarm is raised."""
    alarm = DriftAlarm()
    return [place for place, loss in enumerate(losses.tolist()) if alarm.update(loss)]
