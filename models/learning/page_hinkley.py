"""Page and Hinkley's test: has the mean of a series risen?

Each value adds to a sum how far it lies above the mean so far, less a slack; the test tells when the sum is more than
a height above its least. A larger slack overlooks larger rises, a larger height waits longer and errs less often.

References: Page, "Continuous inspection schemes", Biometrika 41 (1954); Gama, Sebastião and Rodrigues, "On evaluating
stream learning algorithms", Machine Learning 90 (2013).

>>> test = PageHinkley(least=30, slack=0.005, height=5.0)
>>> any(test.update(n % 2) for n in range(1_000))
False
>>> next(n for n in range(1, 1_000) if test.update(1))
10
"""

from __future__ import annotations

import math


class PageHinkley:
    """``least``: values before it tells anything; ``slack``: what a value may lie above the mean; ``height``: how far
    the sum may rise. After it has told it begins again.

    ``n`` values with their ``mean``; the sum ``rise`` and its least, ``lowest``; ``told`` by the last value. ``fall``
    and its most, ``highest``, are the test's other side: nobody asks for it, but stored states hold it.
    """

    def __init__(self, least: int, slack: float, height: float) -> None:
        self.least, self.slack, self.height = least, slack, height
        self.told = False
        self._begin()

    def _begin(self) -> None:
        self.n = self.mean = self.rise = self.fall = 0.0
        self.lowest, self.highest = math.inf, -1.0

    def update(self, value: float) -> bool:
        """Take one value; True when it tells a rise."""
        if self.told:
            self._begin()
        self.n += 1
        # the order of these operations is part of what is stored: another one rounds otherwise
        self.mean += (1 / self.n) * (value - self.mean)
        above = value - self.mean
        self.rise = self.rise + above - self.slack
        self.fall = self.fall + above + self.slack
        self.lowest, self.highest = min(self.lowest, self.rise), max(self.highest, self.fall)
        self.told = self.n >= self.least and self.rise - self.lowest > self.height
        return self.told
