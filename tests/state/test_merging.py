"""Two users' records made one: what the merge of contexts, purchases, dislikes and busy days keeps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state import contexts, daily, dislikes, purchases
from state.records import BOUGHT, CONTEXT, DAILY, RING
from streamrank_client.vocabulary import COMPACT, KINDS

#: near the beginning of an epoch of both half-lives, so that sums are plain ones
START = 84 * contexts.EPOCH * contexts.LONG_MS
VECTORS = np.random.default_rng(3).normal(size=(5, COMPACT)).astype(np.float32)
#: item, kind, weight
ACTS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, len(KINDS) - 1), st.integers(-4, 5)), max_size=70)


def context(acts: list[tuple[int, int, int]], first: int = 0) -> bytes | None:
    """What is stored of a user who did these, a second apart; None for nothing."""
    row = contexts.empty(1)
    item, kind, weight = np.array(acts, np.int64).reshape(-1, 3).T
    time = START + 1_000 * np.arange(first, first + len(acts))
    none = np.zeros(len(acts), np.intp)
    known = np.where(item == 4, -1, item).astype(np.intp)
    contexts.fold(
        row,
        contexts.EventColumns(
            none, (item + 7).astype(np.uint64), time, kind.astype(np.uint8), weight.astype(np.float32), known, VECTORS
        ),
    )
    return row.tobytes() if acts else None


@given(before=ACTS, after=ACTS)
def test_a_visitors_context_and_what_the_account_does_later_are_as_of_one_user(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]
) -> None:
    """Byte for byte, whether the history comes before or after the account's own events: ring, counts, vectors."""
    assert contexts.merged(context(after, len(before)), context(before), 0) == context(before + after)
    assert contexts.merged(context(before), context(after, len(before)), 0) == context(before + after)


def test_the_last_events_of_both_stay_in_the_order_of_their_times() -> None:
    """Those of 40 and 40 in turn: the newest 32 of all."""
    row = np.frombuffer(contexts.merged(context([(1, 1, 1)] * 40), context([(2, 2, 1)] * 40, 20), 0) or b"", CONTEXT)[0]
    assert int(row["events"]) == 80
    at = [int(row["at"][(80 - RING + n) % RING]) for n in range(RING)]
    assert at == sorted(at)
    assert at[-1] == (START + 59_000) // 1000
    assert sum(1 for n in range(RING) if row["item"][n] == 8) == 6


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(20_000, 20_009)), max_size=12),
    st.lists(st.tuples(st.integers(1, 5), st.integers(20_010, 20_019)), max_size=12),
)
def test_purchases_of_both_are_those_of_one(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    """First and last day and number of days of each item, where the days of one come before the other's."""

    def bought(rows: list[tuple[int, int]]) -> bytes | None:
        if not rows:
            return None
        items, days = np.array(sorted(rows, key=lambda row: row[1]), np.int64).T
        return purchases.fold([None], np.zeros(len(rows), np.intp), (items << 32).astype(np.uint64), days)[0]

    found = np.frombuffer(purchases.merged(bought(one), bought(two)) or b"", BOUGHT)
    wanted = np.frombuffer(bought(one + two) or b"", BOUGHT)
    assert sorted(found.tolist()) == sorted(wanted.tolist())


def test_a_dislike_that_the_account_has_ended_stays_so() -> None:
    """The newest of both decides: bought after the visitor's dislike, or disliked after the account's purchase."""
    item, none = np.array([7], np.uint64), np.zeros(1, np.intp)

    def said(time: int, dislike: bool, before: bytes | None = None) -> bytes:
        return dislikes.fold([before], none, item, np.array([time]), np.array([dislike]))[0]

    ended = said(3_000, False, said(1_000, True))
    assert dislikes.active(dislikes.merged(ended, said(2_000, True)), 5_000, 10_000).tolist() == []
    assert dislikes.active(dislikes.merged(said(2_000, True), ended), 5_000, 10_000).tolist() == []
    assert dislikes.active(dislikes.merged(ended, said(4_000, True)), 5_000, 10_000).tolist() == [7]
    assert dislikes.merged(b"", said(1_000, True)) == said(1_000, True)


def test_of_two_busy_days_the_later_counts_and_one_day_is_added() -> None:
    """Cells hold 255 at most."""

    def day(number: int, count: int) -> bytes:
        row = np.zeros(1, DAILY)
        row["day"], row["count"] = number, count
        return row.tobytes()

    assert daily.merged(day(5, 9), day(6, 1)) == daily.merged(day(6, 1), day(5, 9)) == day(6, 1)
    assert daily.merged(day(5, 9), day(5, 1)) == day(5, 10)
    assert daily.merged(day(5, 200), day(5, 100)) == day(5, 255)
    assert daily.merged(None, day(5, 1)) == day(5, 1) == daily.merged(day(5, 1), None)
