"""Metrics, intervals and groups, against definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluate.bootstrap import Draws
from models.evaluate.groups import groups, windows
from models.evaluate.journal import Journal
from models.evaluate.metrics import METRICS, coverage, diversity
from models.evaluate.report import report
from models.evaluate.results import Results


@given(st.lists(st.integers(0, 120), min_size=1, max_size=30))
def test_every_metric_is_its_definition_with_one_right_item(ranks: list[int]) -> None:
    """Rank 0 is a list without the item."""
    found = {name: metric(np.array(ranks)).tolist() for name, metric in METRICS.items()}
    assert found["ndcg@10"] == pytest.approx([1 / math.log2(1 + r) if 0 < r <= 10 else 0 for r in ranks])
    assert found["hit@10"] == [float(0 < r <= 10) for r in ranks]
    assert found["mrr"] == pytest.approx([1 / r if r else 0 for r in ranks])
    assert found["map@5"] == pytest.approx([1 / r if 0 < r <= 5 else 0 for r in ranks])
    assert found["recall@100"] == [float(0 < r <= 100) for r in ranks]


def test_diversity_is_one_minus_the_mean_cosine_of_pairs() -> None:
    """Against a loop over pairs, with lists of unequal length."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tops = np.array([[0, 1, 2, 3], [4, 5, -1, -1], [6, -1, -1, -1]])
    lists = [[i for i in top if i >= 0] for top in tops.tolist()]
    pairs = [[(a, b) for a in top for b in top if a < b] for top in lists]
    wanted = [np.mean([1 - vectors[a] @ vectors[b] for a, b in own]) if own else 0.0 for own in pairs]
    assert diversity(tops, vectors) == pytest.approx(wanted)
    assert coverage(tops, 14) == 0.5


def test_the_interval_covers_the_mean_of_users_drawn_anew() -> None:
    """Two hundred samples of users with events of their own rate: 95 of 100 intervals hold the true mean."""
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        users = np.repeat(np.arange(60), 5)
        rates = rng.uniform(0, 1, 60)
        values = (rng.random(300) < rates[users]).astype(np.float64)
        one = Draws(users, seed, draws=300).mean(values)
        covered += one.low <= 0.5 <= one.high
    assert 180 <= covered <= 198


def test_a_paired_gain_is_surer_than_the_two_means() -> None:
    """Where one system is always a tenth better, the interval of the gain is a point."""
    rng = np.random.default_rng(1)
    users, base = rng.integers(0, 40, 500), rng.random(500)
    gain = Draws(users).gain(1.1 * base, base)
    assert gain is not None
    assert (gain.relative, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert Draws(users).gain(base, np.zeros(500)) is None


def test_groups_and_windows_part_the_tested_events() -> None:
    """Cold and warm, first and later are each a whole; windows are equal parts in order of time."""
    n = 100
    journal = Journal.of(
        user=[k % 7 for k in range(n)], item=[k % 5 for k in range(n)], time=[k * 600_000 for k in range(n)]
    )
    rows = np.arange(20, 100)
    found = groups(journal, rows)
    for one, other in (("cold users", "warm users"), ("cold items", "warm items")):
        zero = np.zeros(len(rows), np.bool_)
        assert (found.get(one, zero) ^ found.get(other, zero)).all()
    parts = windows(journal, rows)
    assert [int(part.sum()) for part in parts] == [8] * 10
    assert np.logical_or.reduce(parts).all()


def test_a_report_compares_the_first_system_with_every_other() -> None:
    """And tells recall of each source, of their union and of the candidates."""
    journal = Journal.of(user=[0, 1, 2, 3], item=[0, 1, 0, 1], time=[0, 1, 2, 3])
    results = Results.empty(np.array([2, 3]))
    for test in (0, 1):
        results.put("ours", test, 1, np.array([test]))
        results.put("theirs", test, 3, np.array([1, 0]))
        results.put_source("covisits", test, test)
        results.put_source("trending", test, 0)
    results.candidates[:] = True
    found = report("log", journal, results, np.eye(2), {})
    assert found.differences["ndcg@10"]["theirs"].relative == pytest.approx(1.0)
    assert {name: one.mean for name, one in found.retrieval.items()} == {
        "covisits": 0.5, "trending": 0.0, "union": 0.5, "candidates": 1.0,
    }  # fmt: skip
