"""The loss of an answer: better where the chosen item stands above the place that popularity would have given it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.features.registry import FEATURES, INDEX
from models.learning.loss import POPULARITY, loss, usual_place

PLACES = st.integers(1, 400)


@given(popularity=st.lists(st.integers(0, 5), min_size=1, max_size=40), data=st.data())
def test_the_usual_place_is_the_mean_place_over_all_orders_of_the_equally_popular(
    popularity: list[int], data: st.DataObject
) -> None:
    """Half of those that are equally popular stand before an item, in the mean."""
    row = data.draw(st.integers(0, len(popularity) - 1))
    features = np.zeros((len(popularity), len(FEATURES)), np.float32)
    features[:, INDEX[POPULARITY]] = popularity
    first = sum(other > popularity[row] for other in popularity) + 1
    last = sum(other >= popularity[row] for other in popularity)
    assert usual_place(features, row) == (first + last) / 2


@given(place=PLACES, usual=PLACES)
def test_a_lower_place_loses_more_and_a_harder_choice_less(place: int, usual: int) -> None:
    """At the same place an item that is less popular was harder to foresee."""
    assert 0 < loss(place, usual) < loss(place + 1, usual) < 1
    assert loss(place, usual + 1) < loss(place, usual)


@given(place=PLACES)
def test_where_the_item_stands_as_popularity_would_have_it_counts_as_if_that_were_not_known(place: int) -> None:
    """Neither better nor worse, as an item that is not in the list."""
    assert loss(place, place) == loss(place, 0.0) == loss(0, place) == 0.5
