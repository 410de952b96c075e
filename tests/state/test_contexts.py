"""The fold of user contexts: rings, integer sums, epochs; independent of how events were cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from state import contexts
from state.contexts import EPOCH, LONG_MS, SHORT_MS, EventColumns, empty, fold, interest
from state.records import CONTEXT, RING
from streamrank_client.vocabulary import COMPACT
from tests.support.examples import at_most

VECTORS = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
AT = EPOCH * LONG_MS * 80


def events(seed: int, count: int, users: int = 4, spread: int = 40 * 86_400_000) -> EventColumns:
    """Random events of users, of any order in time, a third of them on items without a vector."""
    rng = np.random.default_rng(seed)
    return EventColumns(
        user=rng.integers(users, size=count).astype(np.intp),
        item=rng.integers(1, 100, size=count).astype(np.uint64),
        time=AT + rng.integers(spread, size=count),
        kind=rng.integers(8, size=count).astype(np.uint8),
        weight=rng.choice(np.array([0, 0.01, 1, 2, 3, 5, -4], np.float32), size=count),
        vector=rng.integers(-10, 20, size=count).astype(np.intp),
        vectors=VECTORS,
    )


def part(whole: EventColumns, which: slice | NDArray[np.intp]) -> EventColumns:
    """Some of the events."""
    return EventColumns(
        whole.user[which], whole.item[which], whole.time[which], whole.kind[which], whole.weight[which],
        whole.vector[which], whole.vectors,
    )  # fmt: skip


@at_most(80)
@given(st.integers(0, 9_999), st.lists(st.integers(1, 149), max_size=8), st.sampled_from([1, 40, 900, 9_000]))
def test_batches_cut_anywhere_leave_the_same_bytes(seed: int, cuts: list[int], days: int) -> None:
    """Also where a user's newest event enters later epochs in the middle of a batch."""
    whole = events(seed, 150, spread=days * 86_400_000)
    one, many = empty(4), empty(4)
    fold(one, whole)
    for start, end in pairwise(sorted({0, *cuts, 150})):
        fold(many, part(whole, slice(start, end)))
    assert one.tobytes() == many.tobytes()


def test_a_users_row_does_not_depend_on_other_users() -> None:
    """The row equals that of the user's events alone."""
    whole = events(7, 200)
    together, alone = empty(4), empty(4)
    fold(together, whole)
    fold(alone, part(whole, np.flatnonzero(whole.user == 2)))
    assert together[2].tobytes() == alone[2].tobytes()


def test_the_ring_holds_the_last_32_in_order_of_arrival() -> None:
    """Slot n modulo 32 holds event n."""
    count = RING + 9
    one = empty(1)
    made = events(1, count, users=1)
    made.item = np.arange(1, count + 1).astype(np.uint64)
    fold(one, made)
    slots = np.arange(count - RING, count) % RING
    assert one["item"][0, slots].tolist() == list(range(count - RING + 1, count + 1))
    assert one["at"][0, slots].tolist() == (made.time[-RING:] // 1000).tolist()
    assert one["events"][0] == one["counts"][0].sum() == count
    assert one["last"][0] == made.time.max()


@pytest.mark.parametrize(("name", "half_life"), [("short", SHORT_MS), ("long", LONG_MS)])
def test_sums_decay_by_their_half_life(name: str, half_life: int) -> None:
    """Of two likes of orthogonal items, the older by three half-lives weighs an eighth, over an epoch's edge too."""
    vectors = np.eye(2, 64, dtype=np.float32)
    edge = EPOCH * half_life * (AT // (EPOCH * half_life) + 1)
    for newest in (edge - 1, edge + half_life):
        one = empty(1)
        fold(one, EventColumns(
            user=np.zeros(2, np.intp), item=np.array([1, 2], np.uint64),
            time=np.array([newest - 3 * half_life, newest]), kind=np.full(2, 2, np.uint8),
            weight=np.full(2, 2, np.float32), vector=np.arange(2), vectors=vectors,
        ))  # fmt: skip
        sums = one[name][0].astype(float)
        assert sums[0] / sums[1] == pytest.approx(1 / 8, rel=0.05)


def test_a_dislike_turns_interest_away() -> None:
    """Interest is a unit vector towards what was liked and away from what was not; zeros for nothing."""
    one = empty(2)
    fold(one, EventColumns(
        user=np.zeros(2, np.intp), item=np.array([1, 2], np.uint64), time=np.full(2, AT),
        kind=np.array([2, 6], np.uint8),
        weight=np.array([2, -4], np.float32), vector=np.arange(2), vectors=np.eye(2, 64, dtype=np.float32),
    ))  # fmt: skip
    short, long = interest(one, 0)
    assert short[0, 0] > 0 > short[0, 1]
    assert np.linalg.norm(short[0]) == pytest.approx(1)
    assert np.linalg.norm(long[0]) == pytest.approx(1)
    assert not short[1].any()


def test_a_context_fits_in_an_allocation_of_a_kibibyte() -> None:
    """With a Redis string's header."""
    assert CONTEXT.itemsize + 4 <= 1024


def test_no_events_change_nothing() -> None:
    """An empty batch, or one without any vector known."""
    one = empty(4)
    fold(one, part(events(1, 5), slice(0, 0)))
    assert not one.tobytes().strip(b"\0")
    unknown = events(1, 50)
    unknown.vectors = np.zeros((0, 64), np.float32)
    unknown.vector = np.full(50, -1, np.intp)
    fold(one, unknown)
    assert not one["short"].any()
    assert one["events"].sum() == 50


def test_the_fields_stand_where_the_compiled_loop_writes() -> None:
    """Its places are those of the layout."""
    fields = CONTEXT.fields
    assert fields is not None
    assert [fields[name][1] for name in ("short_epoch", "long_epoch")] == [4 * (contexts._EPOCHS + n) for n in (0, 1)]
    assert [fields[name][1] for name in ("short", "long")] == [4 * (contexts._SUMS + n * COMPACT) for n in (0, 1)]


def test_an_event_without_a_vector_ages_the_interest_too() -> None:
    """What was liked an epoch ago has shrunk by 2 ** 8 once anything newer is folded, vector or not."""
    rows = contexts.empty(1)
    one, none = np.zeros(1, np.intp), np.full(1, -1, np.intp)
    vectors = np.eye(1, COMPACT, dtype=np.float32)
    kind, weight, item = np.full(1, 2, np.uint8), np.ones(1, np.float32), np.ones(1, np.uint64)
    contexts.fold(rows, contexts.EventColumns(one, item, np.array([SHORT_MS]), kind, weight, one, vectors))
    before = int(rows["short"][0, 0])
    later = np.array([SHORT_MS * 9])
    contexts.fold(rows, contexts.EventColumns(one, item, later, kind, weight, none, np.zeros((0, COMPACT), np.float32)))
    assert before > 256
    assert int(rows["short"][0, 0]) == round(before / 256)


def of_encoder(encoder: int, time: int = AT) -> EventColumns:
    """One click on one item, whose vector is of this encoder."""
    return EventColumns(
        user=np.zeros(1, np.intp), item=np.array([1], np.uint64), time=np.array([time]), kind=np.array([2], np.uint8),
        weight=np.array([2], np.float32), vector=np.zeros(1, np.intp), vectors=np.eye(1, 64, dtype=np.float32),
        encoder=encoder,
    )  # fmt: skip


def test_sums_of_another_encoder_are_absent_until_an_event_begins_new_ones() -> None:
    """Ring, counts and times stay as they are; then the sums are those of the new event alone."""
    row, fresh = empty(1), empty(1)
    fold(row, of_encoder(5))
    assert interest(row, 5)[1].any()
    assert not np.any(interest(row, 6))
    fold(row, of_encoder(6, AT + 1_000))
    fold(fresh, of_encoder(6, AT + 1_000))
    for part in ("short", "long", "encoder"):
        assert np.array_equal(row[part], fresh[part])
    assert row["events"][0] == 2
    assert row["counts"][0, 2] == 2
    assert row["item"][0, :2].tolist() == [1, 1]


def test_of_two_users_with_sums_of_two_encoders_those_in_use_stay() -> None:
    """Whichever of the two they are of, and none where a third is in use; events and counts of both are added."""
    one, two = empty(1), empty(1)
    fold(one, of_encoder(5))
    fold(two, of_encoder(6))
    for first, second in ((one, two), (two, one)):
        for encoder, own in ((5, one), (6, two), (7, empty(1))):
            both = np.frombuffer(contexts.merged(first.tobytes(), second.tobytes(), encoder) or b"", CONTEXT)
            assert np.array_equal(both["long"], own["long"])
            assert (both["encoder"][0], both["events"][0]) == (encoder, 2)
