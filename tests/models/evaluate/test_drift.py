"""The drift alarm: soon after a fall, and never without one."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluate.drift import alarms
from models.evaluate.metrics import ndcg


def losses(rng: np.random.Generator, count: int, hits: float) -> np.ndarray:
    """Losses of lists that hold what was chosen among their first ten with probability ``hits``."""
    ranks = rng.integers(1, 11, count) * (rng.random(count) < hits)
    return 1 - ndcg(ranks)


@pytest.mark.parametrize(("before", "after"), [(0.18, 0.04), (0.5, 0.3), (0.9, 0.5)])
def test_a_fall_is_told_within_400_feedbacks(before: float, after: float) -> None:
    """In nineteen of twenty runs, whether lists were good or poor; never before the fall."""
    rng = np.random.default_rng(5)
    late = []
    for _ in range(20):
        told = alarms(np.concatenate([losses(rng, 3_000, before), losses(rng, 1_500, after)]))
        assert told
        late.append(told[0] - 3_000)
    assert sum(0 <= delay < 400 for delay in late) >= 19, late


@pytest.mark.parametrize("hits", [0.05, 0.18, 0.5, 0.9])
def test_25000_feedbacks_without_drift_raise_one_alarm_at_most(hits: float) -> None:
    """Noise alone does not add up."""
    assert len(alarms(losses(np.random.default_rng(11), 25_000, hits))) <= 1
