"""Co-visits: sums by neighbour in forward decay, brought to a moment when read."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import covisits
from state.records import COVISIT, SLOTS
from state.rows import Rows

NOW = 1_700_000_000
DAY = 86_400

#: (row, neighbour, after, together, seconds before NOW): at most as many neighbours as there are slots
Pair = tuple[int, int, float, float, int]
pairs = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, SLOTS),
        st.sampled_from([0.0, 0.2, 0.25, 0.5, 1.0]),
        st.sampled_from([0.0, 1.0]),
        st.integers(0, 2_000 * DAY),
    ),
    max_size=120,
)


def fold(rows: Rows, added: list[Pair]) -> None:
    """Add pairs as one batch."""
    columns = np.array(added, np.float64).reshape(-1, 5).T
    row, item = columns[0].astype(np.intp), columns[1].astype(np.uint64)
    after, together = columns[2].astype(np.float32), columns[3].astype(np.float32)
    covisits.fold(rows, row, item, after, together, (NOW - columns[4]).astype(np.uint32))


@given(pairs, st.integers(1, 40), st.randoms(use_true_random=False))
def test_late_and_cut_batches_end_in_the_same_sums(added: list[Pair], size: int, random: Random) -> None:
    """Pairs out of order and in batches of any size leave the same neighbours and sums as all at once."""
    whole, cut = np.zeros(3, COVISIT), np.zeros(3, COVISIT)
    fold(whole, added)
    late = list(added)
    random.shuffle(late)
    for start in range(0, len(late), size):
        fold(cut, late[start : start + size])
    np.testing.assert_allclose(cut["mass"], whole["mass"], rtol=1e-9)
    for left, right in zip(whole, cut, strict=True):
        by_item, again = np.argsort(left["item"]), np.argsort(right["item"])
        assert left["item"][by_item].tolist() == right["item"][again].tolist()
        for name in ("after", "together"):
            np.testing.assert_allclose(left[name][by_item], right[name][again], rtol=1e-9)


def test_a_pair_counts_half_after_sixty_days() -> None:
    """Read at its own time a pair weighs what was added; sixty days later a half of it, mass too."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(1, 7, 0.5, 1.0, 0)])
    now, later = covisits.decayed(rows, NOW), covisits.decayed(rows, NOW + 60 * DAY)
    assert now.item[1, 0] == 7
    np.testing.assert_allclose([now.after[1, 0], now.together[1, 0]], [0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(later.after, now.after / 2, rtol=1e-6)
    np.testing.assert_allclose(later.mass, now.mass / 2, rtol=1e-6)


def test_mass_counts_neighbours_that_no_longer_fit() -> None:
    """A row that met more neighbours than it has slots still knows the total of all of them."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, n, 1.0, 0.0, 0) for n in range(1, 2 * SLOTS + 1)])
    read = covisits.decayed(rows, NOW)
    np.testing.assert_allclose(read.mass[0], [2 * SLOTS, 0], rtol=1e-6)
    assert np.count_nonzero(read.item[0]) == SLOTS


def test_what_is_read_is_single_precision() -> None:
    """Models get f4 arrays of the shapes promised."""
    read = covisits.decayed(np.zeros(2, COVISIT), NOW)
    assert all(array.dtype == np.float32 for array in (read.after, read.together, read.mass))
    assert (read.item.shape, read.after.shape, read.mass.shape) == ((2, SLOTS), (2, SLOTS), (2, 2))
