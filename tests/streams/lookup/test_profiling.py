"""A user's profile: what the ring says, decayed to the moment looked at, and what the ranker sees."""

from __future__ import annotations

import math

import pytest

from state import keys
from state.sessions import LASTS_MS, SearchSession
from state.sessions import encode as encode_session
from streamrank_client.making import behavior
from streams.handlers.asking import StoredUser
from streams.lookup.profiling import newest, profile
from streams.lookup.user_profile import Profile
from tests.support.composing import Answering
from tests.support.driving import Ingest, records
from tests.support.small_log import START

HOUR, DAY = 3_600_000, 86_400_000
NOW = START + 40 * DAY


def looked_at(shelf: Answering, session: bytes | None = None, now: int = NOW) -> Profile:
    """u1 bought p1 three times, 15 days apart, an hour ago clicked p9 and disliked p2, and saw an unknown item."""
    ingest = Ingest()
    events = [
        *(behavior("purchase", event_id=f"b{n}", user_id="u1", item_id="p1", time=START + n * 15 * DAY)
          for n in range(3)),
        behavior("click", event_id="c", user_id="u1", item_id="p9", time=NOW - HOUR),
        behavior("dislike", event_id="d", user_id="u1", item_id="p2", time=NOW - HOUR),
        behavior("view", event_id="v", user_id="u1", item_id="unheard of", time=NOW),
    ]  # fmt: skip
    ingest.fold(records(events))
    stored = StoredUser(ingest.stored[keys.context(0, "u1")], session, ingest.stored[keys.purchases(0, "u1")])
    return profile("u1", stored, shelf.models.catalogue, shelf.plans, now)


def category(shelf: Answering, item_id: str) -> str:
    """An item's whole category."""
    catalogue = shelf.models.catalogue
    return " / ".join(catalogue.categories.paths[catalogue.category[catalogue.row(item_id)]])


def test_counts_recent_items_and_what_the_ranker_sees(shelf: Answering) -> None:
    """Events by kind, the ring newest first with titles, the features of the situation as the ranker gets them."""
    found = looked_at(shelf)
    assert (found.events, found.counts) == (6, {"view": 1, "click": 1, "purchase": 3, "dislike": 1})
    assert [(one.kind, one.time, one.weight) for one in found.recent][:3] == [
        ("view", NOW, 1.0), ("dislike", NOW - HOUR, -4.0), ("click", NOW - HOUR, 2.0),
    ]  # fmt: skip
    assert found.recent[0].item_id.startswith("key ")
    assert found.recent[2].title == shelf.title("p9")
    assert found.ranker.features["user_events"] == pytest.approx(math.log1p(6), abs=1e-6)
    assert found.ranker.recent_items == 5
    assert (found.arm, found.newest, found.at) == ("control", NOW, NOW)


def test_interests_fade_with_the_age_of_what_was_done(shelf: Answering) -> None:
    """A category's weights are its events', halved every hour and every 30 days."""
    found = looked_at(shelf)
    done = [("p1", 5, 40 * DAY), ("p1", 5, 25 * DAY), ("p1", 5, 10 * DAY), ("p9", 2, HOUR), ("p2", -4, HOUR)]
    for one in found.categories:
        own = [(weight, age) for item, weight, age in done if category(shelf, item) == one.name]
        assert one.events == len(own) > 0
        assert one.short == pytest.approx(sum(weight * 2 ** (-age / HOUR) for weight, age in own), abs=1e-3)
        assert one.long == pytest.approx(sum(weight * 2 ** (-age / (30 * DAY)) for weight, age in own), abs=1e-3)
    assert {one.name for one in found.categories} == {category(shelf, item) for item, _, _ in done}
    later = looked_at(shelf, now=NOW + 30 * DAY)
    for one in found.categories:
        then = next(other for other in later.categories if other.name == one.name)
        assert then.long == pytest.approx(one.long / 2, abs=2e-4)
        assert abs(then.short) < 1e-3
    assert [one.long for one in found.categories] == sorted((one.long for one in found.categories), reverse=True)


def test_prices_are_those_of_what_was_liked(shelf: Answering) -> None:
    """The median over purchases and the click; the disliked item does not count."""
    found = looked_at(shelf)
    catalogue = shelf.models.catalogue
    prices = [float(catalogue.price[catalogue.row(item)]) for item in ("p1", "p1", "p1", "p9")]
    assert found.prices is not None
    assert found.prices.items == 4
    assert found.prices.median == pytest.approx(sorted(prices)[1] / 2 + sorted(prices)[2] / 2, abs=0.01)
    assert found.prices.low <= found.prices.median <= found.prices.high


def test_what_is_bought_again_has_a_rhythm(shelf: Answering) -> None:
    """Three purchases 15 days apart, known by their days: the next is due 15 days after the last, at noon; one
    purchase has no rhythm.
    """
    (rhythm,) = looked_at(shelf).rhythm
    assert (rhythm.item_id, rhythm.times) == ("p1", 3)
    assert rhythm.days == 15
    noon = (START + 45 * DAY) // DAY * DAY + DAY // 2
    assert rhythm.due == pytest.approx(noon, abs=10 * 60_000)


def test_the_long_interest_has_categories_near_it(shelf: Answering) -> None:
    """At most five, nearest first; the interest's length fades too."""
    found = looked_at(shelf, now=NOW + 30 * DAY)
    cosines = list(found.nearest_categories.values())
    assert cosines == sorted(cosines, reverse=True)
    assert len(cosines) <= 5
    assert found.ranker.long_interest == pytest.approx(looked_at(shelf).ranker.long_interest / 2, rel=1e-3)


def test_the_last_searches_are_shown_over_or_not(shelf: Answering) -> None:
    """With their texts; nothing where no search is stored."""
    session = encode_session(SearchSession(NOW, "milk", [], None, None, [], [], ["milk", "cheaper"]))
    found = looked_at(shelf, session).searches
    assert found is not None
    assert (found.texts, found.time, found.continues) == (["milk", "cheaper"], NOW, True)
    later = looked_at(shelf, session, NOW + LASTS_MS + 1).searches
    assert later is not None
    assert not later.continues
    assert looked_at(shelf).searches is None


def test_a_user_is_looked_at_for_the_newest_event(shelf: Answering) -> None:
    """That of the partition, or the user's own where the partition tells nothing."""
    ingest = Ingest()
    ingest.fold(records([behavior("click", event_id="e", user_id="u1", item_id="p1", time=START)]))
    context = ingest.stored[keys.context(0, "u1")]
    ingest.fold(records([behavior("click", event_id="f", user_id="u2", item_id="p1", time=START + 5)], first=1))
    assert newest([ingest.mark.stored()], context) == START + 5
    assert newest([None], context) == START
    stored = StoredUser(context, None, None)
    assert profile("u1", stored, shelf.models.catalogue, shelf.plans, START).events == 1
