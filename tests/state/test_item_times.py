"""Events of an item: whatever the order in which they arrive, they leave what they leave in order of time."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from state import keys
from state.item_times import ItemTimes, decode, encode
from state.layouts import packed, unpacked

#: an event: what it is, and the fields that it changes
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "change"]),
        st.dictionaries(st.sampled_from(["price", "in_stock"]), st.binary(min_size=1, max_size=2), min_size=1),
    ),
    max_size=8,
)


def apply(held: ItemTimes, time: int, kind: str, values: dict[str, bytes]) -> None:
    """Take one event."""
    if kind == "put":
        held.put(time, b"item %d" % time)
    elif kind == "delete":
        held.delete(time)
    else:
        held.change(time, values)


@given(EVENTS, st.randoms())
def test_the_order_of_arrival_does_not_matter(events: list[tuple[str, dict[str, bytes]]], random: Random) -> None:
    """Each event at a time of its own, in order and shuffled."""
    timed = [(n, kind, values) for n, (kind, values) in enumerate(events)]
    shuffled = list(timed)
    random.shuffle(shuffled)
    left = []
    for order in (timed, shuffled):
        held = ItemTimes()
        for time, kind, values in order:
            apply(held, time, kind, values)
        left.append((held.time, held.deleted, held.item, held.changes) if held.time >= 0 else held.deleted)
    assert left[0] == left[1]


def test_done_twice_an_event_leaves_the_same() -> None:
    """A batch that is read again changes nothing."""
    for kind in ("put", "delete", "change"):
        once, twice = ItemTimes(), ItemTimes()
        apply(once, 5, kind, {"price": b"1"})
        for _ in range(2):
            apply(twice, 5, kind, {"price": b"1"})
        assert once == twice


def test_what_is_stored_is_read_again() -> None:
    """Through its layout, as bytes; nothing stored is nothing held."""
    held = ItemTimes(5, 3, b"{}", {"price": (6, b"2.5")})
    name = keys.item_times(2, "p1")
    assert name == b"item:{2}:p1"
    assert decode(unpacked(name, packed(name, encode(held)))) == held
    assert decode(None) == ItemTimes()
