"""Sources from behaviour: relations, categories, rhythm, and what is new."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Bought, Filter, Shelves
from models.retrieval.candidates import retrieve
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.registry import SOURCES
from models.retrieval.sources.repurchase import TYPICAL, Repurchase, gaps
from models.sample import asked, sample
from tests.support.asks import changed, score_of

DAY = 86_400_000


def had(count: float, span: float, since: float) -> float:
    """The rate of an item bought so."""
    f4 = [np.array([value], np.float32) for value in (count, span, since)]
    ask = asked("home", bought=Bought(np.zeros(1, np.int32), *f4))
    return float(score_of(Repurchase(), ask, sample(["milk"]), np.zeros(1, np.int32))[0])


@given(st.integers(2, 50), st.integers(2, 60))
def test_an_item_is_wanted_most_when_its_gap_has_passed(count: int, gap: int) -> None:
    """The rate rises until the mean gap is over, then falls, and goes on falling past twice the gap."""
    span = float(gap * (count - 1))
    rates = [had(count, span, since) for since in (0, gap / 2, gap, 1.5 * gap, 3 * gap, 30 * gap)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] > rates[5] > 0


def test_what_was_bought_once_waits_for_a_typical_gap() -> None:
    """Without a rhythm of its own an item has the typical one, and weighs less than a habit."""
    one, none, nine = np.ones(1, np.float32), np.zeros(1, np.float32), np.full(1, 9, np.float32)
    once = Bought(np.zeros(1, np.int32), one, none, nine)
    assert gaps(once).tolist() == [TYPICAL]
    assert had(1, 0, 5) < had(4, 84, 28)


def test_new_items_near_the_query_come_first_and_the_newest_among_equals() -> None:
    """Old items are none; of two with the same words the newer stands first; what may not be shown is left out."""
    catalogue = sample(
        ["red tea one", "wine", "red tea", "red tea two"], time=[20 * DAY, 21 * DAY, 0, 22 * DAY], in_stock=[True] * 4
    )
    twin = catalogue.compact[0].copy()
    catalogue.compact[3] = twin
    ask = asked("search", now=23 * DAY, compact=twin, tokens=("red",))
    found = candidates_of(SOURCES["new_arrivals"], ask, catalogue, 10)
    assert [catalogue.ids[row] for row in found.rows] == ["red tea two", "red tea one", "wine"]
    short = changed(ask, new_days=1.5)
    assert [catalogue.ids[row] for row in candidates_of(SOURCES["new_arrivals"], short, catalogue, 10).rows] == [
        "red tea two"
    ]
    catalogue.delete("red tea two")
    assert len(candidates_of(SOURCES["new_arrivals"], short, catalogue, 10).rows) == 0


def test_habits_do_not_speak_in_a_search_but_a_category_filter_does() -> None:
    """Popular items of the user's categories are candidates at home, and in a search with a filter by category."""
    catalogue = sample(["red tea", "wine"], category=[["food"], ["drink"]])
    shelves = Shelves(np.zeros(1, np.int32), np.ones(1, np.int32), np.full(1, 5, np.float32), np.ones(1, np.float32))
    source = SOURCES["trending_category"]
    home = asked("home", shelves=shelves)
    words = asked("search", tokens=("tea",), shelves=shelves)
    browse = asked("search", shelves=shelves, filter=Filter(category=("drink",)))
    assert [len(candidates_of(source, ask, catalogue, 10).rows) for ask in (home, words, browse)] == [1, 0, 1]


def test_the_time_of_each_source_is_taken_by_the_callers_clock() -> None:
    """Every source that gives candidates is entered once a query, by name."""
    entered: list[str] = []

    class Watch:
        def __init__(self, source: str) -> None:
            entered.append(source)

        def __enter__(self) -> None:
            pass

        def __exit__(self, *error: object) -> None:
            pass

    retrieve([asked("home")], sample(["a"]), ["covisits", "trending", "lexical"], 10, 10, timed=Watch)
    assert entered == ["covisits", "trending"]
