"""Item counts: exact integers, and popularity that does not depend on how batches were cut."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import counts
from state.records import COUNT
from state.rows import Records
from streamrank_client.vocabulary import KINDS, POPULARITY_DAYS, PURCHASE, RATING

NOW = 1_700_000_000
DAY = 86_400

#: (row, kind, value, seconds before NOW)
Touch = tuple[int, int, float, int]
touches = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, len(KINDS) - 1),
        st.sampled_from([0.5, 1.0, 3.5, 4.5, 40.0]),
        st.integers(0, 600 * DAY),
    ),
    max_size=100,
)


def fold(rows: Records, added: list[Touch]) -> None:
    """Count events as one batch."""
    columns = np.array(added, np.float64).reshape(-1, 4).T
    row, kind = columns[0].astype(np.intp), columns[1].astype(np.uint32)
    counts.fold(rows, row, kind, columns[2].astype(np.float32), (NOW - columns[3]).astype(np.uint32))


@given(touches, st.integers(1, 40), st.randoms(use_true_random=False))
def test_late_and_cut_batches_end_in_the_same_counts(added: list[Touch], size: int, random: Random) -> None:
    """Integers, times and rating sums are equal to the bit, popularity is within rounding, in any order."""
    whole, cut = np.zeros(3, COUNT), np.zeros(3, COUNT)
    fold(whole, added)
    late = list(added)
    random.shuffle(late)
    for start in range(0, len(late), size):
        fold(cut, late[start : start + size])
    for name in ("kinds", "first", "last", "ratings"):
        assert np.array_equal(whole[name], cut[name])
    np.testing.assert_allclose(cut["popularity"], whole["popularity"], rtol=1e-9, atol=1e-290)


def weight_of(kind: str, value: float) -> float:
    """What one event adds to popularity, by the words of its definition."""
    if kind == "rating":
        return value if value >= 3.5 else 0.0
    if kind == "dwell":
        return 1.0 if value >= 30 else 0.0
    return {"view": 1.0, "click": 2.0, "add_to_cart": 3.0, "purchase": 5.0}.get(kind, 0.0)


@given(touches)
def test_counts_are_what_a_plain_loop_counts(added: list[Touch]) -> None:
    """Each field of each row equals its definition, computed event by event."""
    rows = np.zeros(3, COUNT)
    fold(rows, added)
    for number, row in enumerate(rows):
        own = [t for t in added if t[0] == number]
        assert row["kinds"].tolist() == [sum(t[1] == kind for t in own) for kind in range(len(KINDS))]
        assert row["ratings"] == sum(t[2] for t in own if t[1] == RATING)
        assert row["first"] == min(((NOW - t[3]) * 1000 for t in own), default=0)
        assert row["last"] == max(((NOW - t[3]) * 1000 for t in own), default=0)
        newest = min((t[3] for t in own), default=0)
        for days, found in zip(POPULARITY_DAYS, row["popularity"], strict=True):
            weights = [weight_of(KINDS[t[1]].name, t[2]) * 0.5 ** ((t[3] - newest) / DAY / days) for t in own]
            np.testing.assert_allclose(found, sum(weights), rtol=1e-9)


def test_popularity_halves_at_each_half_life() -> None:
    """A purchase counts 5 when it happens, and a half of that six hours, 1, 7, 30 and 180 days later."""
    rows = np.zeros(1, COUNT)
    fold(rows, [(0, PURCHASE, 1.0, 0)])
    np.testing.assert_allclose(counts.decayed(rows, NOW), [[5, 5, 5, 5, 5]])
    later = [counts.decayed(rows, NOW + int(days * DAY))[0, n] for n, days in enumerate(POPULARITY_DAYS)]
    np.testing.assert_allclose(later, [2.5] * len(POPULARITY_DAYS))


def test_untouched_rows_stay_as_they_are() -> None:
    """Records that no event of the batch names keep every byte."""
    rows = np.zeros(3, COUNT)
    fold(rows, [(0, 1, 1.0, 5), (1, 4, 1.0, 9)])
    before = rows[1:].tobytes()
    fold(rows, [(0, 2, 1.0, 0)])
    assert rows[1:].tobytes() == before
