"""Retrieval: what a batch of asks finds, and that nothing forbidden is among it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Ask, Companions, Filter, Followers, Recent, Weighted
from models.base.errors import ModelError
from models.items.catalogue import Catalogue
from models.retrieval.candidates import Candidates, retrieve
from models.retrieval.sources.registry import SOURCES
from models.sample import asked, sample, sample_entry
from models.shop.rules import allowed
from streamrank_client.vocabulary import FINDING, SURFACES
from tests.support.asks import changed
from tests.support.examples import at_most

ALL = tuple(SOURCES)
WORDS = ["red", "green", "tea", "wine", "milk", "bread", "奶粉", "old", "fresh", "dark"]


def shop(n: int = 3_000, seed: int = 0) -> Catalogue:
    """A catalogue of n items with every tenth sold out and every seventh deleted."""
    rng = np.random.default_rng(seed)
    titles = [f"{' '.join(rng.choice(WORDS, 3))} i{i}" for i in range(n)]
    catalogue = sample(
        titles,
        in_stock=[i % 10 != 0 for i in range(n)],
        category=[["food", f"c{i % 5}"] for i in range(n)],
        brand=[f"b{i % 3}" for i in range(n)],
        price=[float(i % 50) for i in range(n)],
        time=list(range(n)),
    )
    for title in titles[::7]:
        catalogue.delete(title)
    return catalogue


SHOP = shop()


def ask_of(surface: str, seed: int, catalogue: Catalogue = SHOP) -> Ask:
    """An ask with everything in it, unknown rows included."""
    rng = np.random.default_rng(seed)
    n = max(len(catalogue), 1)

    def rows(count: int) -> np.ndarray:
        return rng.integers(-1, n, count).astype(np.int32)

    def unit(width: int) -> np.ndarray:
        vector = rng.standard_normal(width).astype(np.float32)
        return vector / np.linalg.norm(vector)

    searched = surface in ("search", "rerank")
    return asked(
        now=10_000,
        surface=surface,
        tokens=tuple(rng.choice(WORDS, 2)) if searched else (),
        vector=unit(512) if searched else None,
        compact=unit(64) if searched else None,
        short=unit(64),
        long=unit(64),
        recent=Recent(rows=rows(8), age=np.ones(8, np.float32), kind=np.full(8, 4, np.uint8)),
        anchors=rows(6),
        followers=Followers(np.repeat(np.arange(6, dtype=np.int32), 30), rows(180), rng.random(180).astype(np.float32)),
        companions=Companions(
            np.repeat(np.arange(6, dtype=np.int32), 30),
            rows(180),
            rng.random(180).astype(np.float32),
            rng.random(180).astype(np.float32),
        ),
        anchor_mass=np.full((6, 3), 20, np.float32),
        choices=Weighted(rows(10), np.linspace(5, 1, 10, dtype=np.float32)) if searched else Weighted(),
        trends=tuple(Weighted(rows(40), np.linspace(9, 1, 40, dtype=np.float32)) for _ in range(3)),
        candidates=rows(60) if surface == "rerank" else None,
        exclude=rows(20),
        limit=10,
    )


def equal(one: Candidates, two: Candidates) -> bool:
    """Whether two results are the same bytes."""
    return all(getattr(one, f).tobytes() == getattr(two, f).tobytes() for f in ("rows", "scores", "given"))


@given(st.sampled_from(SURFACES), st.integers(0, 10_000), st.booleans())
@at_most(60)
def test_only_what_may_be_shown_is_found(surface: str, seed: int, filtered: bool) -> None:
    """Rows are distinct, known, in stock, alive, not excluded and within the filter, at most ``k_total``."""
    ask = ask_of(surface, seed)
    if filtered:
        ask = changed(ask, filter=Filter(category=("c1", "c2"), brand=("b1",), price_max=30.0))
    found = retrieve([ask], SHOP, ALL, 50, 120)[0]
    assert len(set(found.rows.tolist())) == len(found.rows) <= 120
    assert allowed(found.rows, ask, SHOP).all()
    assert not np.isin(found.rows, ask.query.exclude).any()
    assert SHOP.recommendable[found.rows].all()
    assert np.isfinite(found.scores).all()
    if surface == "similar":
        assert ask.crowd.anchors[0] not in found.rows
    if surface != "rerank":
        assert found.given.any(axis=1).all()
        assert len(found.rows) >= ask.query.limit


@pytest.mark.parametrize("surface", SURFACES)
def test_an_answer_does_not_depend_on_its_batch(surface: str) -> None:
    """Alone or among others, in any place: the same rows and the same bytes of scores."""
    asks = [ask_of(surface, seed) for seed in range(12)] + [ask_of("home", 99), ask_of("search", 98)]
    together = retrieve(asks, SHOP, ALL, 100, 200)
    backwards = retrieve(asks[::-1], SHOP, ALL, 100, 200)[::-1]
    for ask, one, two in zip(asks, together, backwards, strict=True):
        assert equal(one, two)
        assert equal(one, retrieve([ask], SHOP, ALL, 100, 200)[0])


def test_a_source_that_named_a_row_and_one_that_did_not_score_it_alike() -> None:
    """Every column holds the source's true score of every row, not only of those that it named."""
    ask = ask_of("home", 5)
    narrow, wide = (retrieve([ask], SHOP, ALL, k, 400)[0] for k in (5, 300))
    common, in_narrow, in_wide = np.intersect1d(narrow.rows, wide.rows, return_indices=True)
    assert len(common) > 5
    np.testing.assert_array_equal(narrow.scores[in_narrow], wide.scores[in_wide])
    unnamed = ~narrow.given[:, 2]
    assert unnamed.any()
    assert np.count_nonzero(narrow.scores[unnamed, 2]) == np.count_nonzero(unnamed)


def test_the_union_takes_turns_among_sources() -> None:
    """With a small total every source still has its best item in it."""
    ask = ask_of("home", 3)
    givers = [source.name for source in SOURCES.values() if "home" in source.surfaces]
    found = retrieve([ask], SHOP, ALL, 100, len(givers))[0]
    alone = [retrieve([ask], SHOP, [name], 100, 1)[0].rows for name in givers]
    assert sum(len(rows) for rows in alone) >= 3
    assert all(np.isin(rows, found.rows).all() for rows in alone)


def test_a_narrow_filter_still_finds_its_items() -> None:
    """The sources search among matching rows: one item in three thousand is found."""
    wanted = 101
    assert SHOP.recommendable[wanted]
    catalogue = shop(3_000)
    time = int(catalogue.time[wanted])
    catalogue.upsert([sample_entry(catalogue.ids[wanted], category=["rare"], price=1.0, time=time)])
    for surface in FINDING:
        none = np.zeros(0, np.int32)
        ask = changed(ask_of(surface, 1, catalogue), exclude=none, filter=Filter(category=("rare",)))
        assert retrieve([ask], catalogue, ALL, 100, 200)[0].rows.tolist() == [wanted]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_filter_that_nothing_matches_finds_nothing(surface: str) -> None:
    """An empty result, with the right shapes."""
    ask = changed(ask_of(surface, 2), filter=Filter(category=("no such category",)))
    found = retrieve([ask], SHOP, ALL, 100, 200)[0]
    assert found.rows.shape == (0,)
    assert found.scores.shape == found.given.shape == (0, len(ALL))


@pytest.mark.parametrize("surface", SURFACES)
def test_an_empty_catalogue_answers_with_nothing(surface: str) -> None:
    """No item, no candidate, no error, even when rows of another time are in the ask."""
    ask = ask_of(surface, 4)
    for rows in (
        ask.crowd.anchors,
        ask.crowd.followers.rows,
        ask.crowd.companions.rows,
        ask.crowd.choices.rows,
        *(trend.rows for trend in ask.crowd.trends),
    ):
        rows[:] = -1
    assert len(retrieve([ask], Catalogue(), ALL, 100, 200)[0].rows) == 0


def test_a_catalogue_that_is_all_sold_out_answers_with_nothing() -> None:
    """Out of stock is never shown, whatever the sources say."""
    catalogue = sample(["red tea", "green tea"], in_stock=[False, False])
    asks = [ask_of(surface, 6, catalogue) for surface in SURFACES]
    assert [len(found.rows) for found in retrieve(asks, catalogue, ALL, 100, 200)] == [0] * len(asks)


def test_a_single_item_is_found_on_home_and_not_as_similar_to_itself() -> None:
    """The smallest catalogue there is."""
    catalogue = sample(["red tea"])
    home, similar = asked("home"), asked("similar", anchors=np.array([0], np.int32))
    found = retrieve([home, similar], catalogue, ALL, 100, 200)
    assert [one.rows.tolist() for one in found] == [[0], []]


@pytest.mark.parametrize("surface", FINDING)
def test_a_stranger_with_nothing_known_gets_the_newest_items(surface: str) -> None:
    """Empty history, empty trends, no text: trending answers with what is new."""
    found = retrieve([asked(surface, now=10_000, limit=10)], SHOP, ALL, 100, 200)[0]
    newest = [row for row in range(len(SHOP) - 1, 0, -1) if SHOP.recommendable[row]][:100]
    assert found.rows.tolist() == newest
    assert found.given[:, 5].all()


def test_rerank_scores_the_given_rows_in_their_order() -> None:
    """Unknown, repeated and forbidden rows are dropped; no source adds a row."""
    given = np.array([5, -1, 3, 5, 0, 11], np.int32)
    ask = changed(ask_of("rerank", 8), exclude=np.zeros(0, np.int32), candidates=given)
    found = retrieve([ask], SHOP, ALL, 1, 1)[0]
    assert found.rows.tolist() == [5, 3, 11]
    assert (found.scores[:, 3] != 0).all()
    assert not found.given.any()


def test_a_source_left_out_neither_names_nor_scores() -> None:
    """Its column is zero."""
    found = retrieve([ask_of("home", 9)], SHOP, ["covisits", "trending"], 100, 200)[0]
    assert not found.scores[:, [0, 2, 3, 4]].any()
    assert found.scores[:, 1].any()
    assert found.scores[:, 5].any()


def test_an_unknown_source_is_named() -> None:
    """The error says what is wrong and what is allowed."""
    with pytest.raises(ModelError, match=r"'magic'.*query_clicks"):
        retrieve([], SHOP, ["magic"], 1, 1)


def test_candidates_are_taken_with_all_their_columns() -> None:
    """``taken`` reorders and cuts rows, scores and names together."""
    found = retrieve([ask_of("home", 10)], SHOP, ALL, 100, 200)[0]
    taken = found.taken(np.array([2, 0]))
    assert taken.rows.tolist() == [found.rows[2], found.rows[0]]
    np.testing.assert_array_equal(taken.scores, found.scores[[2, 0]])
    np.testing.assert_array_equal(taken.given, found.given[[2, 0]])
