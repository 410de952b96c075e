"""Category trends: exactly the most popular items of each category, over batches."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import category_trends, counts
from state.records import CATEGORY_TOP, CATEGORY_TREND, COUNT
from tests.support.examples import at_most

NOW, DAY, ITEMS = 1_700_000_000, 86_400, 3 * CATEGORY_TOP


@at_most(30)
@given(st.integers(0, 10**6), st.integers(1, 10))
def test_rows_hold_the_true_top_of_each_category(seed: int, batches: int) -> None:
    """Merged batch by batch, each row ends with the items that the full counts put on top of its category."""
    random = np.random.default_rng(seed)
    all_counts, rows = np.zeros(ITEMS, COUNT), np.zeros(2, CATEGORY_TREND)
    category = random.integers(0, 2, ITEMS)
    for batch in range(batches):
        size = int(random.integers(1, 200))
        touched, place = np.unique(random.integers(0, ITEMS, size), return_inverse=True)
        part = all_counts[touched]
        time = (NOW - random.integers(0, 40 * DAY, size) + batch * DAY).astype(np.uint32)
        counts.fold(part, place, random.integers(0, 8, size).astype(np.uint32), np.ones(size, np.float32), time)
        all_counts[touched] = part
        category_trends.merge(rows, category[touched], touched.astype(np.uint64) + 1, part)
    now = NOW + 50 * DAY
    truth = counts.decayed(all_counts, now)[:, category_trends.PLACE]
    shelf = category_trends.decayed(rows, now)
    for number in range(2):
        own = np.flatnonzero((category == number) & (all_counts["popularity"][:, category_trends.PLACE] > 0))
        best = own[np.argsort(-truth[own], kind="stable")][:CATEGORY_TOP]
        used = shelf.item[number] != 0
        assert used.sum() == len(best)
        np.testing.assert_allclose(shelf.weight[number][used], truth[best], rtol=1e-4)
        assert not shelf.weight[number][~used].any()


def test_an_item_stands_once_however_often_it_is_touched() -> None:
    """Its new score takes the place of the old one."""
    rows, one = np.zeros(1, CATEGORY_TREND), np.zeros(1, COUNT)
    for _ in range(3):
        purchase = np.array([4]), np.ones(1, np.float32), np.array([NOW], np.uint32)
        counts.fold(one, np.zeros(1, np.intp), *purchase)
        category_trends.merge(rows, np.zeros(1, np.intp), np.array([7], np.uint64), one)
    assert np.count_nonzero(rows["item"]) == 1
    np.testing.assert_allclose(category_trends.decayed(rows, NOW).weight[0, 0], 15, rtol=1e-5)
