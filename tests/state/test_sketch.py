"""Bounded rows: exact while they fit, within the promised error when they do not."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from state import sketch

ROWS = 4

#: (row, item, first weight, second weight); few items, so that some repeat and some rows overflow
Delta = tuple[int, int, float, float]
weight = st.integers(0, 50).map(lambda n: n / 7)
deltas = st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(1, 12), weight, weight), max_size=80)


class Sketch:
    """Rows of ``slots`` slots with two weights, filled delta by delta or batch by batch."""

    def __init__(self, slots: int, spread: int = 1) -> None:
        self.items = np.zeros((ROWS, slots), np.uint64)
        self.weights = (np.zeros((ROWS, slots)), np.zeros((ROWS, slots)))
        self.spread = spread

    def fold(self, batch: list[Delta]) -> None:
        """Add one batch."""
        row = np.array([d[0] for d in batch], np.intp)
        item = np.array([d[1] * self.spread for d in batch], np.uint64)
        added = np.array([d[2:] for d in batch], np.float64).reshape(len(batch), 2).T
        sketch.fold(self.items, self.weights, sketch.combine(row, item, added))

    def contents(self) -> list[dict[int, NDArray[np.float64]]]:
        """For each row: item → its two weights."""
        columns = np.stack(self.weights, axis=-1)
        rows = zip(self.items.tolist(), columns, strict=True)
        return [{item: values[n] for n, item in enumerate(items) if item} for items, values in rows]


def true_sums(batches: list[list[Delta]], spread: int = 1) -> list[dict[int, float]]:
    """For each row: item → all that was added to it."""
    sums: list[dict[int, float]] = [{} for _ in range(ROWS)]
    for row, item, first, second in (delta for batch in batches for delta in batch):
        if first + second:
            sums[row][item * spread] = sums[row].get(item * spread, 0.0) + first + second
    return sums


@given(deltas, st.lists(st.integers(1, 30), min_size=80, max_size=80), st.randoms(use_true_random=False))
def test_neither_order_nor_batches_matter_while_rows_fit(added: list[Delta], sizes: list[int], random: Random) -> None:
    """Twelve items in rows of twelve slots: any order, cut anywhere, gives the same items and sums."""
    whole, cut = Sketch(12), Sketch(12)
    whole.fold(added)
    shuffled = list(added)
    random.shuffle(shuffled)
    for size in sizes:
        cut.fold(shuffled[:size])
        shuffled = shuffled[size:]
    for left, right in zip(whole.contents(), cut.contents(), strict=True):
        assert left.keys() == right.keys()
        for item in left:
            np.testing.assert_allclose(left[item], right[item], rtol=1e-9)


@given(st.lists(deltas, max_size=6), st.integers(4, 7), st.sampled_from([1, 0x9E3779B97F4A7C15 >> 4]))
def test_a_row_that_overflows_keeps_its_promises(batches: list[list[Delta]], slots: int, spread: int) -> None:
    """No weight is too much; what stayed is exact; what holds or brings over N / (S - S / 4) is there."""
    bounded = Sketch(slots, spread)
    lost: set[tuple[int, int]] = set()
    for number, batch in enumerate(batches):
        before = bounded.contents()
        bounded.fold(batch)
        after = bounded.contents()
        truths, news = true_sums(batches[: number + 1], spread), true_sums([batch], spread)
        for row, (old, kept, truth, new) in enumerate(zip(before, after, truths, news, strict=True)):
            heavy = sum(truth.values()) / (slots - slots // sketch.DOOR) + 1e-9
            assert len(kept) == min(slots, len(truth))
            assert all(item in kept for item, weights in old.items() if weights.sum() > heavy)
            assert all(item in kept for item, added in new.items() if added > heavy)
            lost |= {(row, item) for item in truth if item not in kept}
            for item, weights in kept.items():
                assert weights.sum() <= truth[item] + 1e-9
                if (row, item) not in lost:
                    assert weights.sum() == pytest.approx(truth[item], rel=1e-9)


@given(st.lists(deltas, max_size=6), st.integers(4, 7))
def test_full_slots_come_first_and_hold_distinct_items(batches: list[list[Delta]], slots: int) -> None:
    """No item stands twice in a row, and no empty slot before a full one, whatever is added."""
    bounded = Sketch(slots)
    for batch in batches:
        bounded.fold(batch)
    full = bounded.items != 0
    assert np.all(full[:, :-1] >= full[:, 1:])
    for items, used in zip(bounded.items, full, strict=True):
        assert len(set(items[used].tolist())) == used.sum()
    assert np.all(bounded.weights[0][~full] + bounded.weights[1][~full] == 0)


@given(deltas, st.randoms(use_true_random=False))
def test_the_order_within_a_batch_never_matters(added: list[Delta], random: Random) -> None:
    """Even where rows overflow, a batch is one set of deltas: its order changes no item and no sum."""
    added = [(row, item, first + item * 1e-3, second) for row, item, first, second in added]
    straight, shuffled = Sketch(5), Sketch(5)
    straight.fold(added)
    random.shuffle(added)
    shuffled.fold(added)
    for left, right in zip(straight.contents(), shuffled.contents(), strict=True):
        assert left.keys() == right.keys()
        for item in left:
            np.testing.assert_allclose(left[item], right[item], rtol=1e-9)


def test_items_whose_upper_bits_are_equal_stay_apart() -> None:
    """Two items that share the 44 bits sorted by are told apart and counted each for itself."""
    items = np.array([1 << 20, (1 << 20) + 1, 1 << 20, (1 << 20) + 1], np.uint64)
    combined = sketch.combine(np.zeros(4, np.intp), items, np.array([[1.0, 2.0, 4.0, 8.0]]))
    assert combined.item.tolist() == [1 << 20, (1 << 20) + 1]
    assert combined.weights.tolist() == [[5.0, 10.0]]


def test_one_newcomer_always_enters() -> None:
    """A full row gives its lightest slot to an item that it did not hold, however light that is."""
    bounded = Sketch(4)
    bounded.fold([(0, item, float(weight), 0.0) for item, weight in [(1, 5), (2, 3), (3, 9), (4, 4)]])
    bounded.fold([(0, 5, 1.0, 0.5)])
    kept = {item: weights.tolist() for item, weights in bounded.contents()[0].items()}
    assert kept == {1: [5.0, 0.0], 5: [1.0, 0.5], 3: [9.0, 0.0], 4: [4.0, 0.0]}


def test_a_crowd_of_newcomers_leaves_the_heavier_three_quarters_alone() -> None:
    """Of a hundred light newcomers as many enter as the lightest quarter has slots; of heavy ones, more."""
    bounded = Sketch(8)
    bounded.fold([(2, item, 10.0 + item, 0.0) for item in range(1, 9)])
    bounded.fold([(2, item, 1.0 + item / 1000, 0.0) for item in range(100, 200)])
    assert sorted(bounded.contents()[2]) == [3, 4, 5, 6, 7, 8, 198, 199]
    bounded.fold([(2, item, 13.5, 0.0) for item in range(200, 300)])
    assert sorted(bounded.contents()[2]) == [4, 5, 6, 7, 8, 200, 201, 202]


def test_what_adds_nothing_takes_no_slot() -> None:
    """A delta of weight 0 does not enter a row, so that it cannot push anything out."""
    bounded = Sketch(4)
    bounded.fold([(1, 9, 0.0, 0.0)])
    assert not bounded.items.any()


@pytest.mark.parametrize(("days", "factor"), [(0, 1.0), (30, 2.0), (-30, 0.5)])
def test_forward_decay_doubles_each_half_life(days: int, factor: float) -> None:
    """What happens one half-life later weighs twice as much."""
    assert sketch.growth(sketch.LANDMARK + days * sketch.DAY, 30.0) == factor


def test_an_event_of_the_far_future_overflows_nothing() -> None:
    """The last second that a delta can hold, in the year 2106, still gives a finite sum."""
    last = np.full(1_000, 2**32 - 1, np.uint32)
    assert np.isfinite(sketch.growth(last, 30.0).sum() * 1_000)
