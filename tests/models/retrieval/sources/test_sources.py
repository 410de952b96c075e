"""Each source by its own definition."""

from __future__ import annotations

import numpy as np
import pytest

from models.ask import Companions, Followers, Recent, Weighted
from models.retrieval.sources.base import candidates_of
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample, sample_entry
from tests.support.asks import score_of

CATALOGUE = sample([f"{word} w{i}" for i in range(100) for word in ("red", "tea", "wine", "milk")])


def int32(*rows: int) -> np.ndarray:
    """Rows as an array."""
    return np.array(rows, np.int32)


def f4(*weights: float) -> np.ndarray:
    """Weights as an array."""
    return np.array(weights, np.float32)


@pytest.mark.parametrize("name", list(SOURCES))
def test_a_source_that_knows_nothing_scores_zero(name: str) -> None:
    """An ask without input for a source gives 0 for every row, and only trending has candidates."""
    ask = asked("search")
    assert not score_of(SOURCES[name], ask, CATALOGUE, int32(0, 5)).any()
    assert bool(len(candidates_of(SOURCES[name], ask, CATALOGUE, 10).rows)) == (name == "trending")


def test_query_clicks_shares_count_unknown_items_too() -> None:
    """A deleted favourite keeps its share: the others do not grow by its absence."""
    ask = asked("search", choices=Weighted(int32(-1, 3), f4(8, 1)))
    assert candidates_of(SOURCES["query_clicks"], ask, CATALOGUE, 10).weight.tolist() == pytest.approx([0.1])


def test_covisits_follow_the_formula() -> None:
    """Two anchors, both kinds of co-visit, one neighbour in common, an unknown one."""
    ask = asked(
        now=0,
        surface="home",
        anchors=int32(1, 2),
        followers=Followers(int32(0, 1, 1), int32(7, 7, -1), f4(2, 1, 5)),
        companions=Companions(int32(0, 1, 1), int32(8, 7, -1), f4(4, 2, 5), f4(0, 0, 0)),
        anchor_mass=np.array([[10, 10, 0], [3, 8, 0]], np.float32),
    )
    found = candidates_of(SOURCES["covisits"], ask, CATALOGUE, 10)
    both = 2 / np.sqrt(10 + 5 + 1) + 0.5 * (1 + 0.5 * 2) / np.sqrt(3 + 4 + 1)
    assert found.rows.tolist() == [7, 8]
    assert found.weight.tolist() == pytest.approx([both, 2 / 4])


def test_covisits_of_a_similar_item_are_its_own() -> None:
    """On the similar surface the user's recent items, anchors after the first, do not matter."""
    seen, mass = Followers(int32(0, 1), int32(7, 8), f4(1, 9)), np.ones((2, 3), np.float32)
    ask = asked("similar", anchors=int32(1, 2), followers=seen, anchor_mass=mass)
    assert candidates_of(SOURCES["covisits"], ask, CATALOGUE, 10).rows.tolist() == [7]


def test_context_takes_the_nearer_of_two_interests() -> None:
    """Items of the short and of the long interest both come, the exact ones first."""
    ask = asked("home", short=CATALOGUE.compact[10].copy(), long=CATALOGUE.compact[33].copy())
    found = candidates_of(SOURCES["context"], ask, CATALOGUE, 20)
    assert set(found.rows[:2].tolist()) == {10, 33}
    exact = np.maximum(CATALOGUE.compact @ ask.user.short, CATALOGUE.compact @ ask.user.long)
    assert found.rows.tolist() == np.argsort(-exact, kind="stable")[:20].tolist()


def test_semantic_search_equals_the_whole_search_by_wide_vectors() -> None:
    """Over a catalogue below the first stage's size nothing is lost."""
    ask = asked(
        now=0,
        surface="search",
        vector=CATALOGUE.vectors[50].astype(np.float32),
        compact=CATALOGUE.compact[50].copy(),
    )
    found = candidates_of(SOURCES["semantic"], ask, CATALOGUE, 30)
    exact = CATALOGUE.vectors.astype(np.float32) @ CATALOGUE.vectors[50].astype(np.float32)
    assert found.rows.tolist() == np.argsort(-exact, kind="stable")[:30].tolist()


def test_lexical_search_prefers_the_rare_word() -> None:
    """Of two words the one in a single title decides; ties stand in row order."""
    found = candidates_of(SOURCES["lexical"], asked("search", tokens=("tea", "w3")), CATALOGUE, 6)
    assert CATALOGUE.titles[found.rows[0]] == "tea w3"
    assert set(found.rows[1:4].tolist()) == {12, 14, 15}
    assert np.all(np.diff(found.rows[1:4]) > 0)


def test_trending_blends_half_lives_and_then_shows_what_is_new() -> None:
    """An item that leads everywhere has score 1; the newest follow, never above the popular ones."""
    catalogue = sample(["a", "b", "c", "d"], time=[1, 2, 3, 4])
    trends = tuple(Weighted(int32(0, -1, 1), f4(100, 60, 0.5)) for _ in range(3))
    found = candidates_of(SOURCES["trending"], asked("home", now=10, trends=trends), catalogue, 10)
    assert found.rows.tolist() == [0, 1, 3, 2]
    assert found.weight[0] == pytest.approx(1)
    assert np.all(np.diff(found.weight) <= 0)


def test_trending_is_not_filled_up_when_enough_items_trend() -> None:
    """The newest items are a stopgap, not a source of their own."""
    trends = (Weighted(int32(*range(12)), f4(*range(12, 0, -1))),)
    found = candidates_of(SOURCES["trending"], asked("home", trends=trends, limit=10), CATALOGUE, 50)
    assert found.rows.tolist() == list(range(12))


def test_an_item_without_a_title_is_similar_to_nothing() -> None:
    """Zero vectors, of the anchor or of the text, search for nothing; of an item, they are never found."""
    zeros = [np.zeros(512, "<f2").tobytes(), np.zeros(64, "<f4").tobytes()]
    own = sample(["a", "b"])
    catalogue = sample(
        ["a", "b"], vector=[zeros[0], own.vectors[1].tobytes()], compact=[zeros[1], own.compact[1].tobytes()]
    )
    nothing = asked("similar", anchors=int32(0))
    assert len(candidates_of(SOURCES["semantic"], nothing, catalogue, 10).rows) == 0
    empty = asked("search", vector=np.zeros(512, np.float32), compact=np.zeros(64, np.float32))
    assert len(candidates_of(SOURCES["semantic"], empty, catalogue, 10).rows) == 0
    assert len(candidates_of(SOURCES["semantic"], asked("similar", anchors=int32(1)), catalogue, 10).rows) == 0


@pytest.mark.parametrize("name", ["context", "semantic", "lexical"])
def test_among_items_with_one_title_those_with_signals_come_first(name: str) -> None:
    """What the user bought, what follows on it and what is popular come first; dislikes do not."""
    titles = [f"item {i}" for i in range(600)]
    namesake = sample_entry("red tea")
    catalogue = sample(
        titles,
        vector=[namesake.vector] * 600,
        compact=[namesake.compact] * 600,
        tokens=[["tea"]] * 600,
    )
    ask = asked(
        now=0,
        surface="search",
        tokens=("tea",),
        vector=catalogue.vectors[0].astype(np.float32),
        compact=catalogue.compact[0].copy(),
        short=catalogue.compact[0].copy(),
        recent=Recent(rows=int32(599, 598, -1), weight=f4(5, -4, 5)),
        trends=(Weighted(int32(590), f4(1)),),
        followers=Followers(int32(0), int32(595), f4(1)),
        anchor_mass=np.ones((1, 3), np.float32),
    )
    assert candidates_of(SOURCES[name], ask, catalogue, 5).rows.tolist() == [590, 595, 599, 0, 1]
