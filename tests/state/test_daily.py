"""What one user does on one item counts a few times a day, by bounded means."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from state import contexts, daily
from state.contexts import EventColumns
from state.records import DAILY, DAILY_CELLS, RING
from streamrank_client.vocabulary import CLICK, DAY_MS, VIEW, key

AT = 20_000 * DAY_MS
#: (item, kind, milliseconds after AT)
Acts = list[tuple[int, int, int]]
ACTS = st.lists(st.tuples(st.integers(1, 5), st.sampled_from([VIEW, CLICK]), st.integers(0, 2 * DAY_MS)), max_size=120)


def columns(acts: Acts) -> EventColumns:
    """One user's events."""
    none = np.full(len(acts), -1, np.intp)
    return EventColumns(
        np.zeros(len(acts), np.intp),
        np.array([key(f"p{item}") for item, _, _ in acts], np.uint64),
        np.array([AT + at for _, _, at in acts], np.int64),
        np.array([kind for _, kind, _ in acts], np.uint8),
        np.ones(len(acts), np.float32),
        none,
        np.zeros((1, 64), np.float32),
    )


def counted(acts: Acts, cuts: list[int], limit: int = 2) -> tuple[NDArray[np.int8], bytes]:
    """Which events count, and the record that is left, batch after batch."""
    context, record, found = contexts.empty(1).copy(), daily.read([None]), [np.zeros(0, np.int8)]
    ends = sorted({0, *(cut for cut in cuts if cut < len(acts)), len(acts)})
    for start, end in pairwise(ends):
        batch = columns(acts[start:end])
        found.append(daily.counted(context, record, batch, limit))
        contexts.fold(context, batch)
    return np.concatenate(found), record.tobytes()


@given(ACTS, st.lists(st.integers(0, 120), max_size=4))
def test_how_batches_are_cut_does_not_matter(acts: Acts, cuts: list[int]) -> None:
    """The same events count, and the same bytes are left."""
    found, again = counted(acts, []), counted(acts, cuts)
    assert found[0].tolist() == again[0].tolist()
    assert found[1] == again[1]


@given(ACTS.map(lambda acts: sorted(acts, key=lambda act: act[2])))
def test_nothing_counts_more_often_than_the_limit(acts: Acts) -> None:
    """Of one kind on one item in a day; a user of a few events has each counted up to it."""
    found, _ = counted(acts, [])
    often: Counter[tuple[int, int, int]] = Counter()
    for (item, kind, at), counts in zip(acts, found.tolist(), strict=True):
        if len(acts) <= RING:
            assert (counts > 0) == (often[item, kind, at // DAY_MS] < 2)
        often[item, kind, at // DAY_MS] += counts > 0
    assert max(often.values(), default=0) <= 2


def test_a_program_that_goes_round_many_items_is_bounded_too() -> None:
    """4,000 clicks a day on each of 100 items, and ten on each of 5,000."""
    few = [(n % 100, CLICK, n * 10) for n in range(4_000)]
    assert (counted(few, [])[0] > 0).sum() <= 200
    many = [(n % 5_000, CLICK, n) for n in range(50_000)]
    assert (counted(many, [])[0] > 0).sum() <= 2 * DAILY_CELLS + 2 * RING
    assert DAILY.itemsize == 254


def test_the_next_day_counts_anew() -> None:
    """A user who comes back tomorrow counts again."""
    acts = [(1, CLICK, n) for n in range(100)] + [(1, CLICK, DAY_MS + n) for n in range(100)]
    found = counted(acts, [])[0]
    assert (found > 0).sum() == 4


def test_what_a_program_did_is_taken_back_once() -> None:
    """The twentieth click on one item in a day says that it is none of a shopper; the first ones count no more."""
    found = counted([(1, CLICK, n) for n in range(1_000)], [7, 19, 400])[0]
    assert np.flatnonzero(found > 0).tolist() == [0, 1]
    assert np.flatnonzero(found < 0).tolist() == [2 * daily.PROGRAM - 1]
