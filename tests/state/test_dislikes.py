"""Dislikes: kept within a bound, ended by a basket or a purchase, the same bytes however batches are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from state import keys
from state.dislikes import active, fold
from state.layouts import UnreadableValue, packed, unpacked
from state.records import DAILY, DISLIKED, DISLIKED_ITEMS

#: (item, time, whether it is a dislike)
EVENTS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 50), st.booleans()), max_size=30)


def folded(events: list[tuple[int, int, bool]], value: bytes | None = None) -> bytes:
    """One user's record after some events."""
    item, time, dislike = (np.array([event[n] for event in events]) for n in range(3))
    who = np.zeros(len(events), np.intp)
    return fold([value], who, item.astype(np.uint64), time.astype(np.int64), dislike.astype(np.bool_))[0]


@given(EVENTS, st.integers(0, 30))
def test_the_bytes_do_not_depend_on_the_cut(events: list[tuple[int, int, bool]], cut: int) -> None:
    """One batch, or two."""
    assert folded(events[cut:], folded(events[:cut])) == folded(events)


@pytest.mark.parametrize(
    ("events", "now", "wanted"),
    [
        ([(7, 10, True)], 20, [7]),
        ([(7, 10, True)], 111, []),
        ([(7, 10, True), (7, 20, False)], 30, []),
        ([(7, 10, False), (7, 20, True)], 30, [7]),
        ([(7, 10, True), (7, 20, False), (7, 30, True)], 40, [7]),
        ([(7, 10, True), (8, 20, False)], 30, [7]),
        ([(7, 20, True), (7, 10, False)], 30, [7]),
    ],
)
def test_a_dislike_lasts_until_its_days_or_a_basket(
    events: list[tuple[int, int, bool]], now: int, wanted: list[int]
) -> None:
    """It lasts for 100; what was put in a basket before it ends nothing, whatever arrives first."""
    assert active(folded(events), now, 100).tolist() == wanted


def test_the_oldest_goes_when_there_are_too_many() -> None:
    """A record holds so many items and no more."""
    value = folded([(n, 1_000 + n, True) for n in range(1, DISLIKED_ITEMS + 11)])
    assert len(value) == DISLIKED_ITEMS * DISLIKED.itemsize
    assert sorted(active(value, 2_000, 10_000).tolist()) == list(range(11, DISLIKED_ITEMS + 11))


def test_a_basket_alone_stores_nothing() -> None:
    """Most users dislike nothing: nothing is kept of them."""
    assert folded([(7, 10, False)]) == b""
    assert active(None, 5, 5).tolist() == []


@pytest.mark.parametrize("name", [keys.dislikes(3, "u1"), keys.daily(3, "u1")])
def test_what_is_stored_is_told_by_its_length(name: bytes) -> None:
    """Dislikes and daily counts are read through their layouts; what is none of them is kept aside."""
    value = folded([(7, 10, True)]) if name.startswith(b"dis") else bytes(DAILY.itemsize)
    assert unpacked(name, packed(name, value)) == value
    for wrong in (packed(name, value)[:-1], packed(name, value + b"x"), value):
        with pytest.raises(UnreadableValue):
            unpacked(name, wrong)
