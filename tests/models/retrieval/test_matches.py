"""What matches: all words, else any, else near in meaning; and matches in an order that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from models.ask import Expansion
from models.retrieval.matches import by_rating, how_many, in_order, matching
from models.sample import asked, sample

TITLES = ["red tea", "green tea", "red wine", "mug", "red tea cup"]


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        (("red", "tea"), ["red tea", "red tea cup"]),
        (("tea", "tea"), ["red tea", "green tea", "red tea cup"]),
        (("red", "sofa"), ["red tea", "red wine", "red tea cup"]),
        (("sofa",), []),
    ],
)
def test_words_decide_what_matches(tokens: tuple[str, ...], found: list[str]) -> None:
    """Items that hold all of them; where none does, any."""
    catalogue = sample(TITLES)
    matches = matching(asked("search", tokens=tokens), catalogue, catalogue.recommendable)
    assert [TITLES[row] for row in np.flatnonzero(matches)] == found


def test_a_word_is_held_by_what_it_was_expanded_by() -> None:
    """A corrected word or a synonym stands for its own."""
    catalogue = sample(TITLES)
    ask = asked("search", tokens=("crimson", "wine"), expansion=(Expansion("red", "crimson", "synonym", 0.5),))
    assert np.flatnonzero(matching(ask, catalogue, catalogue.recommendable)).tolist() == [2]


def test_where_no_word_is_held_the_meaning_decides() -> None:
    """Titles near the text's vector match."""
    catalogue = sample(TITLES)
    ask = asked("search", tokens=("sofa",), compact=catalogue.compact[3].copy())
    assert np.flatnonzero(matching(ask, catalogue, catalogue.recommendable)).tolist() == [3]


def test_what_may_not_be_shown_does_not_match() -> None:
    """Neither with a text nor without."""
    catalogue = sample(TITLES, in_stock=[False, True, True, True, True])
    for ask, count in ((asked("search", tokens=("red", "tea")), 1), (asked("home"), 4)):
        assert how_many(matching(ask, catalogue, catalogue.recommendable), catalogue) == count


@pytest.mark.parametrize(
    ("sort", "order"), [("price", [2, 0, 4, 1, 3]), ("price_desc", [1, 0, 4, 2, 3]), ("newest", [3, 1, 4, 0, 2])]
)
def test_matches_stand_in_the_order_asked_for(sort: str, order: list[int]) -> None:
    """Ties by row; without a price last, whichever end begins."""
    times = [20, 40, 10, 50, 30]
    catalogue = sample(TITLES, price=[3.0, 9.0, 1.0, None, 3.0], time=times)
    assert in_order(np.ones(5, np.bool_), sort, 0, catalogue).tolist() == order


def test_variants_count_once_and_stand_once() -> None:
    """The cheapest of a group stands for it."""
    catalogue = sample(TITLES, group_id=["g", "", "", "", "g"], price=[3.0, 9.0, 5.0, 7.0, 1.0])
    every = np.ones(5, np.bool_)
    assert how_many(every, catalogue) == 4
    assert in_order(every, "price", 0, catalogue).tolist() == [4, 2, 3, 1]


def test_ratings_order_by_their_mean() -> None:
    """More ratings first among equals, none last."""
    assert by_rating(np.array([0.0, 10.0, 5.0, 9.0]), np.array([0.0, 2.0, 1.0, 2.0])).tolist() == [1, 2, 3, 0]
