"""User contexts: the same bytes however a batch is cut, each event once, each at its own time."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features.registry import FEATURES
from state import contexts, keys
from state.event_ids import SIZE
from state.impressions import StoredImpression
from state.impressions import encode as encode_shown
from state.records import CONTEXT
from streamrank_client.events import Behavior, Click
from streamrank_client.making import behavior
from streamrank_client.vocabulary import KINDS, key
from streams.handlers.contexts import on_behavior
from streams.wire.messages import Batch
from tests.support.driving import AT, DEPLOYMENT, TWELVE, VECTORS, Ingest, records, run
from tests.support.examples import at_most

DAY = 86_400_000
HOUR = 3_600_000


def click(number: int, user: str = "u1", item: int = 0, at: int = 0, **more: object) -> Behavior:
    """A click ``at`` milliseconds after the start."""
    return behavior("click", event_id=f"e{number}", user_id=user, item_id=f"p{item}", time=AT + at, **more)


def any_log(seed: int, count: int) -> list[Behavior | bytes]:
    """Behaviour of every kind: repeated ids, late events, idle months, short dwells, unknown items, broken lines."""
    random = Random(seed)
    events: list[Behavior | bytes] = []
    at = AT
    for number in range(count):
        at += random.choice((100, 1_000, 60_000, 2 * HOUR, 20 * DAY if random.random() < 0.1 else 5))
        kind = random.choice(KINDS).name
        given: dict[str, object] = {"item_id": f"p{random.randrange(14)}"}
        if kind == "impression":
            given = {"item_ids": [f"p{random.randrange(14)}" for _ in range(3)]}
        if kind == "rating":
            given["value"] = random.choice((0, 2.5, 2.52, 5))
        if kind == "dwell":
            given["milliseconds"] = random.choice((0, 500, 1_800, 30_000, 90_000))
        if kind != "impression" and random.random() < 0.3:
            given["query"] = random.choice(("Tea", "milk"))
        late = random.choice((0, 0, 0, HOUR, 3 * DAY))
        event_id = f"e{number - random.choice((0, 0, 0, 0, 1, 7)) if number > 7 else number}"
        user = f"u{random.randrange(3)}"
        events.append(behavior(kind, event_id=event_id, user_id=user, time=max(0, at - late), **given))
        if random.random() < 0.05:
            events.append(random.choice((b"{", b'{"event":"click"}')))
    return events


@at_most(60)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 79), max_size=12))
def test_any_cut_of_a_batch_leaves_the_same_bytes(seed: int, cuts: list[int]) -> None:
    """Contexts, event ids, watermark, dead letters and every delta of the signals are those of one batch."""
    batch = records(any_log(seed, 80))
    whole, cut = Ingest(), Ingest()
    whole.fold(batch)
    cut.fold_cut(batch, cuts)
    assert cut.stored == whole.stored
    assert cut.mark == whole.mark
    assert cut.dead == whole.dead
    assert cut.deltas == whole.deltas


@at_most(40)
@given(st.integers(0, 10_000), st.integers(1, 79), st.integers(1, 79))
def test_events_that_are_read_again_are_dropped_by_their_ids(seed: int, first: int, back: int) -> None:
    """After an older watermark was restored: contexts, ids and watermark are those of one reading."""
    batch = records(any_log(seed, 80))
    whole, again = Ingest(), Ingest()
    whole.fold(batch)
    again.fold(batch[:first])
    again.fold(batch[: min(first, back)])
    again.fold(batch[min(first, back) :])
    assert again.stored == whole.stored
    assert again.mark == whole.mark


def test_the_watermark_moves_to_where_a_batch_ends() -> None:
    """Past holes and transaction markers behind its last record, and also where no record of it is usable."""
    ingest = Ingest()
    for held, end in (([click(0)], 9), ([b"{no event"], 12)):
        batch = Batch(records(held, first=end - 5), end - 6, end)
        changes, _ = run(on_behavior(batch, ingest.mark, ingest.window, 0, TWELVE, DEPLOYMENT), ingest.stored.get)
        assert changes.mark.next == end
        assert changes.mark.last == end - 1


SAME: Final[dict[str, Any]] = {"event_id": "order-7", "user_id": "u1", "item_id": "p1", "time": AT}


@pytest.mark.parametrize(
    ("other", "counted"),
    [
        ({}, 1), ({"time": AT + 5}, 1), ({"item_id": "p2"}, 2), ({"kind": "view"}, 2), ({"user_id": "u2"}, 2),
        ({"item_id": "p2", "kind": "click"}, 2),
    ],
)  # fmt: skip
def test_the_same_id_with_another_item_kind_or_user_is_another_event(other: dict[str, Any], counted: int) -> None:
    """Lines of an order share its number; what is sent again counts once, in one batch or in two."""
    lines = [behavior("purchase", **SAME), behavior(**{"kind": "purchase", **SAME, **other})]
    for cuts in ([], [1]):
        found = Ingest()
        found.fold_cut(records(lines), cuts)
        assert found.mark.accepted == counted


def test_an_event_that_an_earlier_version_counted_counts_no_more() -> None:
    """Its window holds the key of the id alone."""
    found = Ingest()
    found.window.add([key("order-7")])
    found.fold(records([behavior("purchase", **SAME)]))
    assert found.mark.accepted == 0


def test_an_event_id_counts_once_within_ten_thousand_events() -> None:
    """Published again in the same batch, in the next, or 10,000 events later: dropped; 20,000 later: forgotten."""
    ingest = Ingest()
    ingest.fold(records([click(0), click(0), click(1)]))
    ingest.fold(records([click(0)], first=3))
    assert ingest.mark.accepted == 2
    ingest.fold(records([click(n) for n in range(2, 10_002)], first=4))
    ingest.fold(records([click(0), click(1)], first=10_004))
    assert ingest.mark.accepted == 10_002
    ingest.fold(records([click(n) for n in range(20_000, 20_000 + SIZE)], first=10_006))
    ingest.fold(records([click(0)], first=10_006 + SIZE))
    assert ingest.mark.accepted == 10_003 + SIZE
    context = np.frombuffer(ingest.stored[keys.context(0, "u1")], CONTEXT)[0]
    assert context["events"] == ingest.mark.accepted


@given(st.permutations(range(8)))
@at_most(30)
def test_late_events_count_at_their_own_time(order: list[int]) -> None:
    """Within an epoch the interest vectors and the newest time do not depend on the order of arrival."""
    start = -(AT % (contexts.EPOCH * contexts.SHORT_MS))
    events = [click(n, item=n, at=start + n * 50 * 60_000) for n in range(8)]
    sorted_, shuffled = Ingest(), Ingest()
    sorted_.fold(records(events, arrival=AT + DAY))
    shuffled.fold(records([events[n] for n in order], arrival=AT + DAY))
    name = keys.context(0, "u1")
    one, two = (np.frombuffer(i.stored[name], CONTEXT)[0] for i in (sorted_, shuffled))
    for field in ("short", "long", "last", "counts", "short_epoch"):
        assert np.array_equal(one[field], two[field]), field
    assert two["at"][:8].tolist() == [one["at"][n] for n in order]


def test_an_older_event_weighs_less_than_a_newer_one() -> None:
    """An hour halves what an event adds to the short vector, whenever it arrives."""
    ingest = Ingest()
    ingest.fold(records([click(0, item=1, at=2 * HOUR), click(1, item=2, at=0)]))
    context = np.frombuffer(ingest.stored[keys.context(0, "u1")], CONTEXT)
    short = context["short"][0].astype(float)
    solved, *_ = np.linalg.lstsq(VECTORS[[1, 2]].T.astype(float), short, rcond=None)
    assert solved[1] / solved[0] == pytest.approx(0.25, rel=0.05)


def test_future_means_ahead_of_the_newest_event_and_of_the_arrival() -> None:
    """A day after the newest, or after its own arrival, is taken; after both, it is a dead letter."""
    ingest = Ingest()
    ingest.fold(records([click(0, at=0)], arrival=AT))
    ingest.fold(records([click(1, at=30 * DAY)], first=1, arrival=AT + 30 * DAY))
    ingest.fold(records([click(2, at=30 * DAY + 20 * HOUR)], first=2, arrival=AT))
    ingest.fold(records([click(3, at=32 * DAY + HOUR), click(4, at=31 * DAY)], first=3, arrival=AT))
    assert [(letter.offset, letter.code, letter.field) for letter in ingest.dead] == [(3, "future", "time")]
    assert ingest.mark.newest == AT + 31 * DAY


def test_impressions_count_and_teach_no_interest() -> None:
    """Seen items count for the items and for the user, and leave ring and vectors alone."""
    ingest = Ingest()
    ingest.fold(records([behavior("impression", event_id="e", user_id="u1", item_ids=["p1", "p2"], time=AT)]))
    context = np.frombuffer(ingest.stored[keys.context(0, "u1")], CONTEXT)[0]
    assert (context["events"], context["counts"][0], context["last"]) == (0, 1, AT)
    assert not context["short"].any()
    assert [delta.kind for delta in ingest.deltas] == ["touch", "touch"]


def test_a_click_on_an_answer_is_a_choice_after_its_text() -> None:
    """The text is the event's own, else that of the query whose answer it names; a dislike chooses nothing."""
    shown = StoredImpression("r1", "u1", AT, "search", "control", "Green Tea", ["p1"], [1.0],
                  np.zeros((1, len(FEATURES)), np.float32), np.zeros(1, np.float32), 0, "a")  # fmt: skip
    ingest = Ingest(stored={keys.impression(0, "r1"): encode_shown(shown)})
    assert isinstance(click(0), Click)
    dislike = behavior("dislike", event_id="d", user_id="u1", item_id="p1", request_id="r1", time=AT)
    ingest.fold(records([click(1, item=1, request_id="r1"), click(2, item=1, request_id="r1", query="OWN"), dislike]))
    chosen = [delta.value("query") for delta in ingest.deltas if delta.kind == "choice"]
    assert sorted(chosen) == sorted([key("green tea"), key("own")])
