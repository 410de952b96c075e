"""Purchases: what a user bought, bounded, the same bytes however a batch is cut."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import keys, purchases
from state.layouts import UnreadableValue, unpacked
from state.purchases import DOUBLE_DAYS, read
from state.records import BOUGHT, BOUGHT_ITEMS
from state.rows import heads

DAY = 19_000

bought = st.lists(st.tuples(st.integers(1, 70).map(lambda n: n << 32 | 5), st.integers(DAY, DAY + 400)), max_size=150)


def fold(value: bytes | None, events: list[tuple[int, int]]) -> bytes:
    """One user's purchases, (item key, day), added to what is stored."""
    items, days = np.array(events, np.uint64).reshape(-1, 2).T
    return purchases.fold([value], np.zeros(len(events), np.intp), items, days.astype(np.int64))[0]


def plainly(events: list[tuple[int, int]]) -> bytes:
    """What the record must hold, by a dictionary."""
    held: dict[int, tuple[int, int, int]] = {}
    for key, day in events:
        item = key >> 32
        first, last, count = held.get(item, (day, day, 0))
        if not count or day not in (first, last):
            held[item] = (min(first, day), max(last, day), count + 1)
        if len(held) > BOUGHT_ITEMS:
            del held[min(held, key=lambda i: (held[i][1] + DOUBLE_DAYS * (held[i][2].bit_length() - 1), i))]
    return np.array([(item, *known) for item, known in held.items()], BOUGHT).tobytes()


@given(bought, st.integers(1, 30))
def test_any_cut_of_the_events_leaves_the_bytes_of_a_plain_loop(events: list[tuple[int, int]], size: int) -> None:
    """Also when there are more items than a record holds."""
    value: bytes | None = None
    for start in range(0, len(events), size):
        value = fold(value, events[start : start + size])
    assert (value or b"") == plainly(events)


@given(st.randoms(use_true_random=False), st.integers(1, 200), st.sampled_from([1, 10, 400]))
def test_many_users_at_once_get_the_bytes_of_each_alone(random: Random, size: int, span: int) -> None:
    """Whatever the cut, with records that overflow, items that come back after they were dropped, and late days."""
    users = [random.randint(0, 150) for _ in range(3)]
    events = [(user, random.randint(1, 70) << 32 | 5) for user, many in enumerate(users) for _ in range(many)]
    random.shuffle(events)
    dated = [(user, item, DAY + random.randint(0, span)) for user, item in events]
    values: list[bytes | None] = [None] * len(users)
    for start in range(0, len(dated), size):
        who, items, days = np.array(dated[start : start + size], np.uint64).T
        values = list(purchases.fold(values, who.astype(np.intp), items, days.astype(np.int64)))
    alone = [plainly([(item, day) for user, item, day in dated if user == number]) for number in range(len(users))]
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


def test_no_record_is_an_empty_one() -> None:
    """Of a user who bought nothing yet; one of another size never comes this far (``state.layouts``)."""
    assert len(read(None)) == 0
    with pytest.raises(UnreadableValue, match="9 bytes that are none of its layout"):
        unpacked(keys.purchases(0, "u1"), bytes(9))


def test_items_are_named_by_the_upper_half_of_their_keys() -> None:
    """A key whose upper half is 0 is named 1, as the catalogue's index needs."""
    assert heads(np.array([7 << 32 | 3, 5], np.uint64)).tolist() == [7, 1]
    assert read(fold(None, [(5, DAY)]))["item"].tolist() == [1]
