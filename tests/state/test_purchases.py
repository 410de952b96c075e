"""Purchases: what a user bought, bounded, the same bytes however a batch is cut."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.purchases import fold, fold_all, heads, read
from state.records import BOUGHT, BOUGHT_ITEMS
from state.rows import LayoutMismatch

DAY = 19_000

bought = st.lists(st.tuples(st.integers(1, 70).map(lambda n: n << 32 | 5), st.integers(DAY, DAY + 400)), max_size=150)


@given(bought, st.integers(1, 30))
def test_any_cut_of_the_events_leaves_the_same_bytes(events: list[tuple[int, int]], size: int) -> None:
    """Also when there are more items than a record holds."""
    value: bytes | None = None
    for start in range(0, len(events), size):
        value = fold(value, events[start : start + size])
    assert (value or b"") == fold(None, events)


@given(st.randoms(use_true_random=False), st.integers(1, 200), st.sampled_from([1, 10, 400]), st.booleans())
def test_many_users_at_once_get_the_bytes_of_each_alone(random: Random, size: int, span: int, late: bool) -> None:
    """Whatever the cut, with records that overflow, items that come back after they were dropped, and late days."""
    users = [random.randint(0, 150) for _ in range(3)]
    events = [(user, random.randint(1, 70) << 32 | 5, n) for user, many in enumerate(users) for n in range(many)]
    events = [(user, item, DAY + (random.randint(0, span) if late else n * span // 150)) for user, item, n in events]
    random.shuffle(events)
    if not late:
        events.sort(key=lambda event: event[2])
    values: list[bytes | None] = [None] * len(users)
    for start in range(0, len(events), size):
        who, items, days = np.array(events[start : start + size], np.uint64).T
        values = list(fold_all(values, who.astype(np.intp), items, days.astype(np.int64)))
    alone = [fold(None, [(item, day) for user, item, day in events if user == number]) for number in range(len(users))]
    assert [value or b"" for value in values] == alone


@given(bought)
def test_while_there_is_room_days_are_counted_as_a_loop_counts_them(events: list[tuple[int, int]]) -> None:
    """In order of time, every item has its first and last day, and the number of different days."""
    events = sorted(events, key=lambda event: event[1])[:BOUGHT_ITEMS]
    days: dict[int, list[int]] = {}
    for item, day in events:
        days.setdefault(item >> 32, []).append(day)
    found = {row["item"].item(): row for row in read(fold(None, events))}
    assert found.keys() == days.keys()
    for item, row in found.items():
        assert (row["first"], row["last"]) == (min(days[item]), max(days[item]))
        assert row["count"] == len(set(days[item]))


def test_a_full_record_drops_what_was_bought_longest_ago_and_least() -> None:
    """An old favourite outlives what was bought once a little later; the size stays within 440 bytes."""
    favourite = [(1 << 32, DAY + 7 * week) for week in range(8)]
    once = [(n << 32, DAY + 60) for n in range(2, 2 + BOUGHT_ITEMS)]
    value = fold(None, favourite + once)
    assert len(value) == BOUGHT_ITEMS * BOUGHT.itemsize == 440
    held = read(value)["item"].tolist()
    assert 1 in held
    assert 2 not in held


def test_a_record_of_another_layout_is_refused() -> None:
    """A size that is no whole number of items raises; no record is an empty one."""
    with pytest.raises(LayoutMismatch, match="7 bytes"):
        read(b"\x00" * 7)
    assert len(read(None)) == 0
    with pytest.raises(LayoutMismatch, match="7 bytes"):
        fold_all([None, b"\x00" * 7], np.zeros(1, np.intp), np.array([7], np.uint64), np.array([DAY]))


def test_items_are_named_by_the_upper_half_of_their_keys() -> None:
    """A key whose upper half is 0 is named 1, as the catalogue's index needs."""
    assert heads(np.array([7 << 32 | 3, 5], np.uint64)).tolist() == [7, 1]
    assert read(fold(None, [(5, DAY)]))["item"].tolist() == [1]
