"""Co-visits: sums by neighbour in forward decay, brought to a moment when read."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import covisits
from state.records import COVISIT, SLOTS, WIDE_SLOTS
from state.rows import Rows

NOW = 1_700_000_000
DAY = 86_400

#: (row, neighbour, after, together, wide, seconds before NOW): at most as many neighbours as there are slots
Pair = tuple[int, int, float, float, float, int]
pairs = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, SLOTS),
        st.sampled_from([0.0, 0.2, 0.25, 0.5, 1.0]),
        st.sampled_from([0.0, 1.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.integers(0, 2_000 * DAY),
    ),
    max_size=120,
)


def fold(rows: Rows, added: list[Pair]) -> None:
    """Add pairs as one batch."""
    columns = np.array(added, np.float64).reshape(-1, 6).T
    row, item = columns[0].astype(np.intp), columns[1].astype(np.uint64)
    after, together = columns[2].astype(np.float32), columns[3].astype(np.float32)
    wide, time = columns[4].astype(np.float16), (NOW - columns[5]).astype(np.uint32)
    covisits.fold(rows, row, item, after, together, wide, time)


@given(pairs, st.integers(1, 40), st.randoms(use_true_random=False))
def test_late_and_cut_batches_end_in_the_same_sums(added: list[Pair], size: int, random: Random) -> None:
    """Pairs out of order and in batches of any size leave the same neighbours and sums as all at once."""
    whole, cut = np.zeros(3, COVISIT), np.zeros(3, COVISIT)
    fold(whole, added)
    late = list(added)
    random.shuffle(late)
    for start in range(0, len(late), size):
        fold(cut, late[start : start + size])
    for name in ("mass", "wide_mass", "recent_mass"):
        np.testing.assert_allclose(cut[name], whole[name], rtol=1e-9)
    for left, right in zip(whole, cut, strict=True):
        for items, names in (("item", ("after", "together")), ("wide_item", ("wide",)), ("recent_item", ("recent",))):
            by_item, again = np.argsort(left[items]), np.argsort(right[items])
            assert left[items][by_item].tolist() == right[items][again].tolist()
            for name in names:
                np.testing.assert_allclose(left[name][by_item], right[name][again], rtol=1e-9)


def test_a_pair_counts_half_after_sixty_days() -> None:
    """Read at its own time a pair weighs what was added; sixty days later a half of it, mass too."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(1, 7, 0.5, 1.0, 1.0, 0)])
    now, later = covisits.decayed(rows, NOW), covisits.decayed(rows, NOW + 60 * DAY)
    assert now.item[1, 0] == 7
    np.testing.assert_allclose([now.after[1, 0], now.together[1, 0]], [0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(later.after, now.after / 2, rtol=1e-6)
    np.testing.assert_allclose(later.mass, now.mass / 2, rtol=1e-6)


def test_mass_counts_neighbours_that_no_longer_fit() -> None:
    """A row that met more neighbours than it has slots still knows the total of all of them."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, n, 1.0, 0.0, 1.0, 0) for n in range(1, 2 * SLOTS + 1)])
    read = covisits.decayed(rows, NOW)
    np.testing.assert_allclose(read.mass[0], [2 * SLOTS, 0], rtol=1e-6)
    assert np.count_nonzero(read.item[0]) == np.count_nonzero(read.recent.item[0]) == SLOTS
    assert np.count_nonzero(read.wide.item[0]) == 2 * SLOTS == WIDE_SLOTS
    np.testing.assert_allclose([read.wide.mass[0], read.recent.mass[0]], 2 * SLOTS, rtol=1e-6)


def test_each_relation_forgets_at_its_own_pace_and_keeps_its_own_neighbours() -> None:
    """After ten days the recent relation holds a half, the wide one nearly all; what is not wide is in neither."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, 7, 0.0, 0.0, 1.0, 0), (0, 8, 1.0, 0.0, 0.0, 0)])
    read = covisits.decayed(rows, NOW + 10 * DAY)
    assert (read.item[0, 0], read.wide.item[0, 0], read.recent.item[0, 0]) == (8, 7, 7)
    assert np.count_nonzero(read.wide.item[0]) == 1
    np.testing.assert_allclose([read.recent.weight[0, 0], read.wide.weight[0, 0]], [0.5, 0.5 ** (10 / 365)], rtol=1e-5)


def test_times_from_1996_to_2040_are_told_apart() -> None:
    """The short half-life's sums stay finite and fall with age over all years that a log may hold."""
    rows = np.zeros(1, COVISIT)
    for item, year in enumerate((26, 36, 46, 66), 1):
        at = np.array([year * 365.25 * DAY], np.uint32)
        one = np.ones(1, np.float32)
        covisits.fold(rows, np.zeros(1, np.intp), np.array([item], np.uint64), one, one, one.astype(np.float16), at)
    weights = rows["recent"][0, :4]
    assert np.isfinite(weights).all()
    assert weights[0] > 0
    assert (np.diff(weights) > 0).all()


def test_what_is_read_is_single_precision() -> None:
    """Models get f4 arrays of the shapes promised."""
    read = covisits.decayed(np.zeros(2, COVISIT), NOW)
    assert all(array.dtype == np.float32 for array in (read.after, read.together, read.mass))
    assert (read.item.shape, read.after.shape, read.mass.shape) == ((2, SLOTS), (2, SLOTS), (2, 2))
