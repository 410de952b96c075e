"""The bench of rankers on a tiny log, and how it judges."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightgbm")

from bench import rankers
from models.features.kernels import RECENT
from models.features.registry import FEATURES
from models.training.rankings import RankingsWriter
from streamrank_client.errors import LogError
from streamrank_client.vocabulary import COMPACT as DIM
from tests.support.round_log import write_round

pytestmark = pytest.mark.usefixtures("quick_judging")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred users who each buy three of a dozen items in a round: what follows is always the next item."""
    return write_round(tmp_path_factory.mktemp("rankers") / "round.jsonl")


@pytest.mark.servers
def test_both_rankers_are_judged_on_the_same_lists_of_the_second_half(log: Path) -> None:
    """Figures of all three by seed, differences with intervals, times of both calls; and both have learnt."""
    figures = rankers.measure(log, "all", lists=200, tests=60, seeds=2, say=lambda _: None)
    json.dumps(figures)
    assert (figures["tested"], figures["seeds"]) == (60, 2)
    assert 100 < figures["lists"] <= 200
    assert figures["found"] <= 60
    for one in figures["ndcg@10"].values():
        assert 0.5 < one["low"] <= one["mean"] <= one["high"] <= 1
        assert one["mean"] == pytest.approx(np.mean(one["by_seed"]), abs=1e-4)
    ranker, trees = (figures["ndcg@10"][name]["mean"] for name in ("ranker", "lightgbm"))
    assert figures["over_lightgbm"]["ranker"]["relative"] == pytest.approx(ranker / trees - 1, abs=1e-3)
    assert 0 < figures["time"]["bare_ms"] < figures["time"]["ranker_ms"] * 2
    assert len(rankers.table(figures)) == 5


def test_a_tested_list_without_what_was_chosen_counts_nothing() -> None:
    """Of four tested places two hold it, at the first and the third place by the scores: 1, 1/2 and twice 0."""
    writer = RankingsWriter()
    for at in range(3):
        writer.add(
            np.zeros((3, len(FEATURES)), np.float32), np.zeros((3, DIM), np.float32),
            np.zeros((RECENT, DIM), np.float32), np.zeros(RECENT, np.float32), [0], time=at,
        )  # fmt: skip
    gathered = rankers.Gathered(
        writer.rankings(), np.array([2, 11, 14]), 10, np.array([10, 11, 12, 14]), np.array([0, 0, 1, 1])
    )
    assert gathered.trained == 1
    gains = rankers.tested_gains(gathered, [np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0])])
    np.testing.assert_allclose(gains, [0, 1, 0, 0.5])


@pytest.mark.servers
def test_a_task_that_nothing_fits_is_told(log: Path) -> None:
    """Nobody buys anything twice here."""
    with pytest.raises(LogError, match="'repeat'"):
        rankers.measure(log, "repeat", lists=200, tests=60, seeds=1, say=lambda _: None)
