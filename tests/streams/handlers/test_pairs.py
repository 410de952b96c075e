"""Co-visit pairs: each event with the ten before it, and with its whole hour, whichever batch they came in."""

from __future__ import annotations

import numpy as np

from streamrank_client.making import behavior
from streamrank_client.vocabulary import key
from streams.handlers.signals import strengths
from streams.wire.signals import PAIR
from tests.support.driving import AT, PARTITIONS, Delta, Ingest, records

MINUTE, DAY = 60_000, 86_400_000
NAMES: dict[float, str] = {key(f"p{n}"): f"p{n}" for n in range(12)}


def weights(delta: Delta) -> tuple[float, float, float]:
    """After, together and wide of a pair."""
    one = np.zeros(1, PAIR)
    one["lag"], one["how"] = delta.value("lag"), delta.value("how")
    after, together, wide = (float(weight[0]) for weight in strengths(one))
    return after, together, wide


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
        (NAMES[d.value("row")], NAMES[d.value("item")], round(after, 3), together)
        for d in ingest.deltas
        if d.kind == "pair"
        for after, together, _ in [weights(d)]
        if after or together
    }


def test_two_items_within_an_hour_go_with_each_other() -> None:
    """The second came after the first, and both were together."""
    assert pairs(("click", 1, 0), ("click", 2, 30)) == {("p1", "p2", 1.0, 1.0), ("p2", "p1", 0.0, 1.0)}


def test_items_further_apart_only_follow() -> None:
    """After an hour there is no together, but what comes next follows, however late."""
    assert pairs(("click", 1, 0), ("click", 2, 90)) == {("p1", "p2", 1.0, 0.0)}
    assert pairs(("click", 1, 0), ("click", 2, 61 * 24 * 60)) == {("p1", "p2", 1.0, 0.0)}


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
        if delta.kind == "pair":
            pair = str(int(delta.value("row"))), str(int(delta.value("item")))
            found[pair] = found.get(pair, 0.0) + times * weights(delta)[2]
    return found


def test_wide_pairs_go_either_way_and_reach_ten_events_back() -> None:
    """Both items get the same weight, by the root of the distance; past ten there is none."""
    found = wide(*(("view", n, 90 * n) for n in range(40)))
    names = {str(key(f"p{n}")): n for n in range(40)}
    lags: dict[int, set[float]] = {}
    for (row, item), weight in found.items():
        assert found[item, row] == weight
        lags.setdefault(abs(names[row] - names[item]), set()).add(round(weight, 4))
    assert lags == {lag: {round(lag**-0.5, 4)} for lag in range(1, 11)}
    assert len(found) == 2 * sum(40 - lag for lag in range(1, 11))


def test_all_of_an_hour_goes_together_as_far_as_the_ring_reaches() -> None:
    """Forty events in forty minutes: each goes with up to 31 before it, where events far apart end after ten."""
    found = wide(*(("view", n, n) for n in range(40)))
    names = {str(key(f"p{n}")): n for n in range(40)}
    assert {abs(names[row] - names[item]) for row, item in found} == set(range(1, 32))
    assert len(found) == 2 * sum(40 - lag for lag in range(1, 32))


def test_an_hour_ends_what_goes_on_past_ten_events() -> None:
    """Twelve events at once and one 61 minutes later: that one goes with the ten before it alone."""
    found = wide(*(("view", n, 0) for n in range(12)), ("view", 12, 61))
    late = str(key("p12"))
    assert {item for row, item in found if row == late} == {str(key(f"p{n}")) for n in range(2, 12)}


def test_pairs_do_not_depend_on_how_events_are_cut() -> None:
    """Two users' events one by one, and all in one batch, make the same pairs in the same order for each event."""
    events = [
        behavior("click", event_id=f"e{n}", user_id=f"u{n % 2}", item_id=f"p{n % 7}", time=AT + n * MINUTE)
        for n in range(90)
    ]
    one, many = Ingest(), Ingest()
    one.fold(records(events, arrival=AT + DAY))
    for place, event in enumerate(events):
        many.fold(records([event], first=place, arrival=AT + DAY))
    for target in range(PARTITIONS):
        whole, cut = (
            [d for d in ingest.deltas.elements() if d.kind == "pair" and d.target == target] for ingest in (one, many)
        )
        assert whole == cut


def test_bad_ratings_go_with_other_items_but_not_after_them() -> None:
    """Whoever rates has chosen; a dislike has not."""
    assert len(wide(("rating", 1, 0), ("rating", 2, 1))) == 2
    assert wide(("dislike", 1, 0), ("click", 2, 1)) == {}
