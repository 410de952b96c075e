"""Trends: exactly the most popular items, over batches and partitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import counts, trends
from state.records import COUNT, TOP, TREND
from state.rows import Records
from streamrank_client.vocabulary import POPULARITY_DAYS
from tests.support.examples import at_most

NOW = 1_700_000_000
DAY = 86_400
ITEMS = 2 * TOP


def history(seed: int, batches: int) -> tuple[Records, Records]:
    """Counts of ITEMS items after random batches of events, and the TREND row merged batch by batch."""
    random = np.random.default_rng(seed)
    rows, row = np.zeros(ITEMS, COUNT), np.zeros((), TREND)
    for batch in range(batches):
        size = int(random.integers(1, 200))
        touched = np.unique(random.integers(0, ITEMS, size), return_inverse=True)
        part = rows[touched[0]]
        time = (NOW - random.integers(0, 40 * DAY, size) + batch * DAY).astype(np.uint32)
        kind = random.integers(0, 8, size).astype(np.uint32)
        counts.fold(part, touched[1], kind, np.ones(size, np.float32), time)
        rows[touched[0]] = part
        row = trends.merge(row, touched[0].astype(np.uint64) + 1, part)
    return rows, row


@at_most(30)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_row_holds_the_true_top_of_all_items(seed: int, batches: int) -> None:
    """Merged batch by batch, a row ends with the very items that the full counts put on top."""
    rows, row = history(seed, batches)
    now = NOW + 50 * DAY
    truth = rows["popularity"] * np.exp2(
        -(now - rows["last"][:, np.newaxis] / 1000) / (np.array(POPULARITY_DAYS) * DAY)
    )
    for place, trend in enumerate(trends.decayed([row], now, TOP)):
        popular = np.flatnonzero(truth[:, place] > 0)
        best = popular[np.argsort(-truth[popular, place], kind="stable")][:TOP]
        np.testing.assert_allclose(trend.weight, truth[best, place], rtol=1e-5, atol=1e-30)
        np.testing.assert_allclose(truth[trend.item.astype(int) - 1, place], truth[best, place], rtol=1e-6)


@at_most(20)
@given(st.integers(0, 10**6))
def test_partitions_merge_into_one_ranking(seed: int) -> None:
    """Two partitions' rows, stored or as arrays, give the ranking of both together, best first."""
    (_, left), (_, right) = history(seed, 3), history(seed + 1, 3)
    right["item"][right["item"] != 0] += np.uint64(ITEMS)
    for place, trend in enumerate(trends.decayed([left.tobytes(), None, right], NOW, 10)):
        both = np.concatenate([left["score"][place], right["score"][place]])
        items = np.concatenate([left["item"][place], right["item"][place]])
        known = dict(zip(items[items != 0].tolist(), both[items != 0].tolist(), strict=True))
        assert trend.item.tolist() == sorted(known, key=lambda item: (-known[item], item))[:10]
        assert np.all(np.diff(trend.weight) <= 0)


def test_equally_popular_items_are_ordered_by_key() -> None:
    """Ties have one order, so that the same log gives the same answers."""
    row = np.zeros(5, COUNT)
    counts.fold(row, np.arange(5), np.ones(5, np.uint32), np.ones(5, np.float32), np.full(5, NOW, np.uint32))
    merged = trends.merge(np.zeros((), TREND), np.array([9, 3, 7, 1, 5], np.uint64), row)
    assert [trend.item.tolist() for trend in trends.decayed([merged], NOW, 3)] == [[1, 3, 5]] * len(POPULARITY_DAYS)


def test_items_that_are_only_shown_do_not_trend() -> None:
    """Impressions add no popularity, and an item without any is in no row."""
    row = np.zeros(1, COUNT)
    counts.fold(row, np.array([0]), np.array([0]), np.ones(1, np.float32), np.array([NOW], np.uint32))
    merged = trends.merge(np.zeros((), TREND), np.array([4], np.uint64), row)
    assert not merged["item"].any()


def test_no_rows_give_empty_trends() -> None:
    """An empty Redis has nothing that trends, at every half-life."""
    found = trends.decayed([None], NOW, 10)
    assert [len(trend.item) for trend in found] == [0] * len(POPULARITY_DAYS)


def test_a_query_of_long_ago_sees_the_same_ratios_and_no_infinity() -> None:
    """In 1970 what happened in 2023 would be more popular than a float32 can say: order and ratios stay."""
    _, row = history(1, 3)
    with np.errstate(all="raise", under="ignore"):
        then, today = trends.decayed([row], 0.0, 5), trends.decayed([row], float(NOW), 5)
    for old, new in zip(then, today, strict=True):
        assert np.isfinite(old.weight).all()
        assert (old.weight > 0).all()
        np.testing.assert_array_equal(old.item, new.item)
        np.testing.assert_allclose(old.weight / old.weight[0], new.weight / new.weight[0], rtol=1e-5)
