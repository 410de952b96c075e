"""Page and Hinkley's test tells what River's tells, at the same values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift

from models.learning.page_hinkley import PageHinkley


def rivers(values: list[float], least: int, slack: float, height: float) -> list[int]:
    """Where River's test tells a rise."""
    test = drift.PageHinkley(min_instances=least, delta=slack, threshold=height, alpha=1.0, mode="up")
    told = []
    for place, value in enumerate(values):
        test.update(value)  # type: ignore[no-untyped-call]
        told += [place] * test.drift_detected
    return told


def ours(values: list[float], least: int, slack: float, height: float) -> list[int]:
    """Where ours does."""
    test = PageHinkley(least, slack, height)
    return [place for place, value in enumerate(values) if test.update(value)]


@given(
    values=st.lists(st.floats(-1, 1) | st.sampled_from([0.0, 1.0]), max_size=300),
    least=st.integers(1, 40),
    slack=st.floats(0, 0.2),
    height=st.floats(0.1, 5),
)
def test_it_tells_at_the_values_at_which_river_tells(
    values: list[float], least: int, slack: float, height: float
) -> None:
    """Whatever the values and the parameters, across any number of alarms."""
    assert ours(values, least, slack, height) == rivers(values, least, slack, height)


@pytest.mark.parametrize("seed", range(20))
def test_it_tells_as_river_does_on_long_series_that_drift(seed: int) -> None:
    """With the drift alarm's own parameters, on 20,000 losses whose mean changes every 2,000."""
    rng = np.random.default_rng(seed)
    values = (rng.beta(2, 3, 20_000) + np.repeat(rng.uniform(-0.4, 0.4, 10), 2_000)).tolist()
    told = ours(values, 200, 0.03, 11.0)
    assert told == rivers(values, 200, 0.03, 11.0)
    assert told
