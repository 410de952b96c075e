"""Co-visit pairs: each event with the five before it, whichever batch they came in."""

from __future__ import annotations

import numpy as np

from streams.ids import key
from streams.routing import behavior
from tests.handlers.driving import AT, Ingest, records

MINUTE, DAY = 60_000, 86_400_000
NAMES: dict[float, str] = {key(f"p{n}"): f"p{n}" for n in range(12)}


def pairs(*events: tuple[str, int, int]) -> set[tuple[str, str, float, float]]:
    """(row, item, after, together) of events (kind, item, minutes after the start) that came one at a time."""
    ingest = Ingest()
    for place, (kind, item, minutes) in enumerate(events):
        more = {"value": 5.0} if kind == "rating" else {"milliseconds": 1} if kind == "dwell" else {}
        event = behavior(
            kind, event_id=f"e{place}", user_id="u1", item_id=f"p{item}", time=AT + minutes * MINUTE, **more
        )
        ingest.fold(records([event], first=place, arrival=AT + 100 * DAY))
    return {
        (NAMES[d.value("row")], NAMES[d.value("item")], round(d.value("after"), 3), d.value("together"))
        for d in ingest.deltas
        if d.kind == "pair" and (d.value("after") or d.value("together"))
    }


def test_two_items_within_an_hour_go_with_each_other() -> None:
    """The second came after the first, and both were together."""
    assert pairs(("click", 1, 0), ("click", 2, 30)) == {("p1", "p2", 1.0, 1.0), ("p2", "p1", 0.0, 1.0)}


def test_items_further_apart_only_follow() -> None:
    """After an hour there is no together, after 60 days nothing."""
    assert pairs(("click", 1, 0), ("click", 2, 90)) == {("p1", "p2", 1.0, 0.0)}
    assert pairs(("click", 1, 0), ("click", 2, 61 * 24 * 60)) == set()


def test_distance_divides_and_ends_after_five() -> None:
    """The n-th item after another counts 1/n, the sixth not at all."""
    found = pairs(*(("view", n, 90 * n) for n in range(7)))
    assert {after for row, item, after, _ in found if row == "p0"} == {1.0, 0.5, 0.333, 0.25, 0.2}
    assert ("p0", "p6") not in {(row, item) for row, item, _, _ in found}


def test_only_liked_items_pair_and_none_with_itself() -> None:
    """Dislikes, a dwell of a moment, and the same item again make no pairs; a good rating does."""
    assert pairs(("dislike", 1, 0), ("click", 2, 1), ("dwell", 3, 2), ("click", 2, 3)) == set()
    assert ("p2", "p4", 1.0, 1.0) in pairs(("click", 2, 0), ("rating", 4, 1))


def test_what_arrives_late_follows_nothing_that_happened_later() -> None:
    """A pair needs the earlier arrival to be the earlier event."""
    assert pairs(("click", 1, 90), ("click", 2, 0)) == set()


def test_the_ring_holds_what_pairs_need() -> None:
    """A user's items outlive 32 events of the ring: the last five are always there."""
    found = pairs(*(("click", n % 12, n) for n in range(70)))
    assert len({(row, item) for row, item, after, _ in found if after}) == 12 * 5


def wide(*events: tuple[str, int, int]) -> dict[tuple[str, str], float]:
    """Weights of the undirected pairs of such events, all of one user, by (row, item)."""
    ingest, found = Ingest(), dict[tuple[str, str], float]()
    for place, (kind, item, minutes) in enumerate(events):
        more = {"value": 1.0} if kind == "rating" else {}
        time = AT + minutes * MINUTE
        event = behavior(kind, event_id=f"e{place}", user_id="u1", item_id=f"p{item}", time=time, **more)
        ingest.fold(records([event], first=place, arrival=AT + 100 * DAY))
    for delta, times in ingest.deltas.items():
        if delta.kind == "pair" and delta.value("wide"):
            pair = str(int(delta.value("row"))), str(int(delta.value("item")))
            found[pair] = found.get(pair, 0.0) + times * delta.value("wide")
    return found


def test_wide_pairs_go_either_way_and_reach_twenty_events_back() -> None:
    """Both items get the same weight; in bands further back one event stands for five; past twenty there is none."""
    events = [("view", n, 90 * n) for n in range(40)]
    found = wide(*events)
    assert all(found[item, row] == weight for (row, item), weight in found.items())
    lags: dict[int, list[float]] = {}
    names = {str(key(f"p{n}")): n for n in range(40)}
    for (row, item), weight in found.items():
        lags.setdefault(abs(names[row] - names[item]), []).append(weight)
    assert max(lags) <= 20
    assert {round(w, 2) for w in lags[1]} == {1.0}
    assert {round(w, 2) for lag in range(6, 21) for w in lags.get(lag, [])} <= {
        round(float(np.float16(5 * lag**-0.5)), 2) for lag in range(6, 21)
    }
    # every event after the twentieth has one partner in each band of five
    assert sum(len(lags.get(lag, [])) for lag in range(16, 21)) >= 2 * 20


def test_bad_ratings_go_with_other_items_but_not_after_them() -> None:
    """Whoever rates has chosen; a dislike has not."""
    assert len(wide(("rating", 1, 0), ("rating", 2, 1))) == 2
    assert wide(("dislike", 1, 0), ("click", 2, 1)) == {}
