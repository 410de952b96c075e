"""Query clicks: what was chosen after a query, in forward decay."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import query_clicks
from state.records import QUERY_CLICK, SLOTS
from state.rows import Records

NOW = 1_700_000_000
DAY = 86_400

#: (row, item, weight, seconds before NOW)
Choice = tuple[int, int, float, int]
choices = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, SLOTS), st.sampled_from([1.0, 2.0, 5.0]), st.integers(0, 900 * DAY)),
    max_size=120,
)


def fold(rows: Records, added: list[Choice]) -> None:
    """Add choices as one batch."""
    columns = np.array(added, np.float64).reshape(-1, 4).T
    row, item = columns[0].astype(np.intp), columns[1].astype(np.uint64)
    weight, time = columns[2].astype(np.float32), (NOW - columns[3]).astype(np.uint32)
    query_clicks.fold(rows, row, item, weight, time)


@given(choices, st.integers(1, 40), st.randoms(use_true_random=False))
def test_late_and_cut_batches_end_in_the_same_sums(added: list[Choice], size: int, random: Random) -> None:
    """Choices out of order and in batches of any size leave the same items and sums as all at once."""
    whole, cut = np.zeros(3, QUERY_CLICK), np.zeros(3, QUERY_CLICK)
    fold(whole, added)
    late = list(added)
    random.shuffle(late)
    for start in range(0, len(late), size):
        fold(cut, late[start : start + size])
    np.testing.assert_allclose(cut["mass"], whole["mass"], rtol=1e-9)
    for left, right in zip(whole, cut, strict=True):
        by_item, again = np.argsort(left["item"]), np.argsort(right["item"])
        assert left["item"][by_item].tolist() == right["item"][again].tolist()
        np.testing.assert_allclose(left["weight"][by_item], right["weight"][again], rtol=1e-9)


def test_a_choice_counts_half_after_thirty_days() -> None:
    """Read thirty days later, a choice and its row's mass weigh a half."""
    rows = np.zeros(3, QUERY_CLICK)
    fold(rows, [(2, 7, 2.0, 0), (2, 8, 1.0, 30 * DAY)])
    now, later = query_clicks.decayed(rows, NOW), query_clicks.decayed(rows, NOW + 30 * DAY)
    np.testing.assert_allclose(now.weight[2, :2], [2.0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(now.mass, [0, 0, 2.5], rtol=1e-6)
    np.testing.assert_allclose(later.weight, now.weight / 2, rtol=1e-6)
    assert now.weight.dtype == now.mass.dtype == np.float32


def test_the_favourite_survives_a_crowd() -> None:
    """An item chosen again and again stays while hundreds of others are chosen once."""
    rows = np.zeros(3, QUERY_CLICK)
    for day in range(300, 0, -1):
        fold(rows, [(0, 7, 1.0, day * DAY), (0, 1_000 + day, 1.0, day * DAY)])
    read = query_clicks.decayed(rows, NOW)
    best = int(read.weight[0].argmax())
    assert read.item[0, best] == 7
    np.testing.assert_allclose(read.weight[0, best], np.exp2(-np.arange(1, 301) / 30).sum(), rtol=1e-6)
