"""Rates by token: over any time, no more than is allowed, and a caller who waits as told is let in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.rates import Rates

REQUESTS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), min_size=1, max_size=60)


@given(REQUESTS, st.floats(0.1, 100))
def test_no_more_is_done_than_the_rate_allows_and_one_batch(requests: list[tuple[float, int]], rate: float) -> None:
    """What was taken in all is at most what time gave, a full bucket, and the batch that overdrew it."""
    rates, now, taken, largest = Rates(), 0.0, 0, 0
    for pause, cost in requests:
        now += pause
        if rates.take("a", rate, cost, now) == 0:
            taken += cost
            largest = max(largest, cost)
    assert taken <= rate * now + max(rate, 1.0) + largest + 1e-6


@given(REQUESTS, st.floats(0.1, 100))
def test_who_waits_as_told_is_let_in(requests: list[tuple[float, int]], rate: float) -> None:
    """The time that a refusal names is enough, and it is never nothing."""
    rates, now = Rates(), 0.0
    for pause, cost in requests:
        now += pause
        wait = rates.take("a", rate, cost, now)
        if wait:
            assert wait > 0
            now += wait + 1e-6
            assert rates.take("a", rate, cost, now) == 0


def test_callers_have_buckets_of_their_own() -> None:
    """One who is over its rate takes nothing from others."""
    rates = Rates()
    assert rates.take("a", 1, 100, 0) == 0
    assert rates.take("a", 1, 1, 0) > 0
    assert rates.take("b", 1, 1, 0) == 0
