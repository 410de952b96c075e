"""Co-visits: sums by neighbour in forward decay, brought to a moment when read."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import covisits
from state.records import COVISIT, FOLLOWERS, NEIGHBOURS
from state.rows import Records

NOW = 1_700_000_000
DAY = 86_400

#: (row, the upper half of the neighbour's key, after, together, wide, seconds before NOW), no more of them than slots
Pair = tuple[int, int, float, float, float, int]
pairs = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, NEIGHBOURS),
        st.sampled_from([0.0, 0.2, 0.25, 0.5, 1.0]),
        st.sampled_from([0.0, 1.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.integers(0, 2_000 * DAY),
    ),
    max_size=120,
)


LISTS = (("follower", ("after",)), ("neighbour", ("together", "wide")))
FIELDS = tuple(COVISIT.names or ())[1:]


def fold(rows: Records, added: list[Pair]) -> None:
    """Add pairs as one batch."""
    columns = np.array(added, np.float64).reshape(-1, 6).T
    row, item = columns[0].astype(np.intp), columns[1].astype(np.uint64) << np.uint64(32)
    after, together = columns[2].astype(np.float32), columns[3].astype(np.float32)
    wide, time = columns[4].astype(np.float32), (NOW - columns[5]).astype(np.uint32)
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
    np.testing.assert_allclose(cut["mass"], whole["mass"], rtol=1e-9)
    for left, right in zip(whole, cut, strict=True):
        for items, sums in LISTS:
            by_item, again = np.argsort(left[items]), np.argsort(right[items])
            assert left[items][by_item].tolist() == right[items][again].tolist()
            for name in sums:
                np.testing.assert_allclose(left[name][by_item], right[name][again], rtol=1e-5)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3 * NEIGHBOURS)), max_size=600), st.integers(1, 300))
def test_the_cut_into_batches_does_not_matter_even_in_full_rows(added: list[tuple[int, int]], size: int) -> None:
    """Byte for byte: deltas are weighed one by one, in their order."""
    whole, cut = np.zeros(3, COVISIT), np.zeros(3, COVISIT)
    deltas: list[Pair] = [(row, item, 0.5, 1.0, 1 / (1 + item % 7), item) for row, item in added]
    fold(whole, deltas)
    for start in range(0, len(deltas), size):
        fold(cut, deltas[start : start + size])
    for name in FIELDS:
        assert np.array_equal(whole[name], cut[name])


def test_the_fields_of_a_row_stand_where_the_compiled_loop_writes() -> None:
    """One delta reaches each field of its row and no other byte."""
    rows = np.zeros(2, COVISIT)
    fold(rows, [(0, 7, 0.5, 0.25, 1.0, 0)])
    one = rows[0]
    assert one["follower"][0] == one["neighbour"][0] == 7
    np.testing.assert_allclose([one["after"][0] / one["wide"][0], one["together"][0] / one["wide"][0]], [0.5, 0.25])
    np.testing.assert_allclose([one["after"][0], one["together"][0], one["wide"][0]], one["mass"], rtol=1e-6)
    for name in ("mass", *FIELDS):
        one[name] = 0
    assert not rows.view(np.uint8).any()


def test_a_newcomer_takes_from_the_lightest_until_nothing_is_left() -> None:
    """In a full row a neighbour that comes once leaves no trace but a lighter lightest; one that comes back enters."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, n, 0.0, 1.0, 1.0, 0) for n in range(1, NEIGHBOURS + 1)] + [(0, 5, 0.0, 0.0, 1.0, 0)])
    fold(rows, [(0, 500, 0.0, 1.0, 0.5, 0)])
    assert 500 not in rows["neighbour"][0]
    read = covisits.decayed(rows, NOW)
    np.testing.assert_allclose(sorted(set(read.wide[0].round(4).tolist())), [0.5, 1.0, 2.0])
    fold(rows, [(0, 500, 0.0, 1.0, 0.5, 0)])
    read = covisits.decayed(rows, NOW)
    slot = read.neighbour[0].tolist().index(500)
    np.testing.assert_allclose([read.together[0, slot], read.wide[0, slot]], [1, 0.5], rtol=1e-5)
    assert {1, 500} & set(read.neighbour[0].tolist()) == {500}


def test_a_pair_counts_half_after_five_years() -> None:
    """Read at its own time a pair weighs what was added; five years later a half of it, mass too."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(1, 7, 0.5, 1.0, 0.25, 0)])
    now, later = covisits.decayed(rows, NOW), covisits.decayed(rows, NOW + 1825 * DAY)
    assert now.follower[1, 0] == now.neighbour[1, 0] == 7
    np.testing.assert_allclose([now.after[1, 0], now.together[1, 0], now.wide[1, 0]], [0.5, 1.0, 0.25], rtol=1e-6)
    for name in ("after", "together", "wide", "mass"):
        np.testing.assert_allclose(getattr(later, name), getattr(now, name) / 2, rtol=1e-6)


def test_mass_counts_neighbours_that_no_longer_fit() -> None:
    """A row that met more neighbours than it has slots still knows the total of all of them."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, n, 1.0, 0.0, 1.0, 0) for n in range(1, 2 * NEIGHBOURS + 1)])
    read = covisits.decayed(rows, NOW)
    np.testing.assert_allclose(read.mass[0], [2 * NEIGHBOURS, 0, 2 * NEIGHBOURS], rtol=1e-6)
    assert np.count_nonzero(read.follower[0]) == FOLLOWERS
    assert np.count_nonzero(read.neighbour[0]) == NEIGHBOURS


def test_times_from_1996_to_2040_are_told_apart() -> None:
    """Sums stay finite and fall with age over all years that a log may hold."""
    rows = np.zeros(1, COVISIT)
    for item, year in enumerate((26, 36, 46, 66), 1):
        at = np.array([year * 365.25 * DAY], np.uint32)
        one = np.ones(1, np.float32)
        covisits.fold(rows, np.zeros(1, np.intp), np.array([item << 32], np.uint64), one, one, one, at)
    weights = rows["wide"][0, :4]
    assert np.isfinite(weights).all()
    assert weights[0] > 0
    assert (np.diff(weights) > 0).all()


def test_what_is_read_is_single_precision() -> None:
    """Models get f4 arrays of the shapes promised."""
    read = covisits.decayed(np.zeros(2, COVISIT), NOW)
    shapes = {"after": (2, FOLLOWERS), "together": (2, NEIGHBOURS), "wide": (2, NEIGHBOURS), "mass": (2, 3)}
    assert {name: getattr(read, name).shape for name in shapes} == shapes
    assert {getattr(read, name).dtype for name in shapes} == {np.dtype(np.float32)}
    assert (read.follower.shape, read.neighbour.shape) == (shapes["after"], shapes["wide"])


def test_what_follows_stays_however_much_goes_with_the_item() -> None:
    """Neighbours by the hundred that never followed push no follower out, and an item that only goes along is none."""
    rows = np.zeros(3, COVISIT)
    fold(rows, [(0, 7, 1.0, 0.0, 0.1, 0)])
    fold(rows, [(0, n, 0.0, 1.0, 1.0, 0) for n in range(100, 100 + 4 * NEIGHBOURS)])
    read = covisits.decayed(rows, NOW)
    assert read.follower[0, :2].tolist() == [7, 0]
    assert 7 not in read.neighbour[0]
    np.testing.assert_allclose(read.after[0, 0], 1, rtol=1e-6)
