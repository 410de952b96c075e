"""The basket: the last hour's anchors, those that the query names, or those of the hour before a pause."""

from __future__ import annotations

import numpy as np

from models.ask import Ask, Companions, Recent
from models.retrieval.baskets import in_hand, in_hand_or_last
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample
from tests.support.asks import changed

HOUR = 3600.0


def seen(ages: list[float], rows: list[int] | None = None, named: tuple[int, ...] = ()) -> Ask:
    """An ask of a user with events on ``rows`` so many seconds ago; the query names ``named`` itself."""
    items = np.array(rows if rows is not None else range(len(ages)), np.int32)
    anchors = np.array([*named, *dict.fromkeys(items.tolist())], np.int32)
    return asked("home", recent=Recent(items, np.array(ages, np.float32)), anchors=anchors)


def test_the_basket_is_the_last_hour() -> None:
    """What lies an hour back or more is not in hand."""
    assert in_hand(seen([60, HOUR - 1, HOUR, 2 * HOUR])).tolist() == [True, True, False, False]


def test_what_the_query_names_is_in_hand_whatever_the_user_did() -> None:
    """A cart of somebody with an old history is its basket, and no older hour stands in for it."""
    ask = seen([2 * HOUR], rows=[5], named=(8, 9))
    assert in_hand(ask).tolist() == in_hand_or_last(ask).tolist() == [True, True, False]


def test_an_item_that_the_catalogue_lost_is_not_taken_for_one_that_was_named() -> None:
    """Its row is -1, among the recent ones and among the anchors."""
    assert in_hand(seen([2 * HOUR, 60], rows=[-1, 3])).tolist() == [False, True]


def test_after_a_pause_the_hour_that_ended_with_the_newest_event_stands_in() -> None:
    """Two events of last week together, one of the week before that not."""
    ask = seen([7 * 24 * HOUR, 7 * 24 * HOUR + 600, 14 * 24 * HOUR])
    assert not in_hand(ask).any()
    assert in_hand_or_last(ask).tolist() == [True, True, False]


def test_nobody_has_an_empty_basket_and_no_error() -> None:
    """A user without events, and a query without anything."""
    assert in_hand_or_last(seen([])).tolist() == []
    assert len(candidates_of(SOURCES["covisits_basket"], seen([]), sample(["tea"]), 10).rows) == 0


def test_older_items_do_not_speak_for_the_basket() -> None:
    """The neighbour of an old item is no candidate of this source while there is a basket; the basket's is."""
    ask = seen([60, 3 * HOUR])
    anchor, rows, together = np.array([0, 1], np.int32), np.array([2, 3], np.int32), np.array([1, 50], np.float32)
    went = Companions(anchor, rows, together, wide=np.zeros(2, np.float32))
    ask = changed(ask, companions=went, anchor_mass=np.array([[0, 9, 0], [0, 50, 0]], np.float32))
    found = candidates_of(SOURCES["covisits_basket"], ask, sample(["a", "b", "c", "d"]), 10)
    assert found.rows.tolist() == [2]
    assert np.isclose(found.weight[0], 0.1)
