"""The simulation of position bias: ignoring it costs, correcting it pays."""

from __future__ import annotations

import numpy as np
import pytest

from bench.position_bias import SHOWN, interval, simulate, table


@pytest.mark.parametrize(("trust", "lists", "worlds"), [(0.3, 1_500, 4), (1.5, 800, 4)])
def test_ignoring_a_known_bias_costs_and_correcting_it_pays(trust: float, lists: int, worlds: int) -> None:
    """A poor and a good guess: the gain's interval is above 0; what is lost against knowing the bias is small."""
    runs = [simulate(seed, lists, trust, steepness=1.0) for seed in range(worlds)]
    gain = interval([run.ndcg["corrected"] - run.ndcg["ignored"] for run in runs])
    assert gain[1] > 0, gain
    assert np.mean([run.ndcg["known"] - run.ndcg["ignored"] for run in runs]) > 0
    assert abs(np.mean([run.ndcg["corrected"] - run.ndcg["known"] for run in runs])) < 0.01
    examined = np.mean([run.examination for run in runs], axis=0)
    assert len(examined) == SHOWN
    np.testing.assert_allclose(examined, 1 / np.arange(1.0, SHOWN + 1), atol=0.12)


def test_the_table_says_every_figure() -> None:
    """A line for each way with its interval, and one of the examination."""
    lines = table({"a world": {"corrected": [0.9, 0.8, 1.0], "examination": [1.0, 0.5]}})
    assert lines == [
        "a world",
        "  corrected                0.9000 [0.8000, 1.0000]",
        "  learnt examination       1.00 0.50",
    ]
