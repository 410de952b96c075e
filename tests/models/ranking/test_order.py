"""The last word on the order: variety, shares, what is buried, what is pinned, page by page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Ask, Filter, NamedItems, Ruled
from models.items.catalogue import Catalogue
from models.ranking.diversity import marginal_relevance
from models.ranking.order import arrange
from models.sample import asked, sample
from models.shop.rules import Rules
from tests.support.asks import changed

N = 24


def shop() -> Catalogue:
    """Items of few brands and categories; some have neither."""
    return sample(
        [f"word{n % 3} item{n}" for n in range(N)],
        brand=[("", "Oz", "Ur", "Oz")[n % 4] for n in range(N)],
        category=[([], ["a"], ["a", "b"], ["c"], ["a"])[n % 5] for n in range(N)],
    )


CATALOGUE = shop()
RULES = st.builds(
    Rules,
    per_brand=st.sampled_from([(), (("home", 1),), (("home", 2),), (("home", 0), ("search", 1))]),
    per_category=st.sampled_from([(), (("home", 1),), (("home", 3),)]),
    diversity=st.sampled_from([(), (("home", 0.3),), (("home", 1.0),)]),
)
ROWS = st.lists(st.integers(0, N - 1), unique=True, max_size=N)
NAMED = st.builds(
    NamedItems, st.lists(st.integers(0, N - 1), max_size=3).map(lambda rows: np.array(rows, np.int32)),
    st.just(np.zeros(0, np.int32)), st.sampled_from([[], [0]]).map(lambda codes: np.array(codes, np.int32)),
)  # fmt: skip


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """A home feed with rules by hand."""
    rows = draw(st.lists(st.integers(0, N - 1), unique=True, max_size=4))
    positions = sorted(draw(st.lists(st.integers(0, 12), min_size=len(rows), max_size=len(rows))))
    ruled = Ruled(tuple(zip(positions, rows, strict=True)), draw(NAMED))
    return asked("home", limit=draw(st.integers(1, 9)), ruled=ruled)


def shown(rows: list[int], ask: Ask, rules: Rules) -> list[int]:
    """Rows in their final order; scores fall with the place, in steps that tie now and then."""
    scores = np.array([N - n // 2 for n in range(len(rows))], np.float32)
    return [rows[place] for place in arrange(np.array(rows, np.int32), scores, ask, CATALOGUE, rules).order]


@given(ROWS, asks(), RULES)
def test_the_order_is_an_order_of_all_candidates(rows: list[int], ask: Ask, rules: Rules) -> None:
    """Nothing is lost, nothing comes twice."""
    assert sorted(shown(rows, ask, rules)) == sorted(rows)


@given(ROWS, asks(), RULES)
def test_pinned_items_stand_at_their_places(rows: list[int], ask: Ask, rules: Rules) -> None:
    """Or behind another pin for the same place, as far as the list is long enough; and they are reported."""
    scores = np.zeros(len(rows), np.float32)
    found = arrange(np.array(rows, np.int32), scores, ask, CATALOGUE, rules)
    order = [rows[place] for place in found.order]
    pins = [(position, row) for position, row in ask.ruled.pins if row in rows]
    last = -1
    for n, (position, row) in enumerate(pins):
        last = max(position, last + 1)
        assert order.index(row) == min(last, len(rows) - len(pins) + n)
    assert found.pinned.tolist() == [order.index(row) for _, row in pins]


@given(ROWS, asks(), RULES, st.integers(0, 3))
def test_no_page_has_more_of_a_brand_or_category_than_its_share(
    rows: list[int], ask: Ask, rules: Rules, page: int
) -> None:
    """Whatever is not an extra: extras stand after all others. Pinned items count, and are let through."""
    ask = changed(ask, offset=page * ask.query.limit)
    scores = -np.arange(len(rows), dtype=np.float32)
    found = arrange(np.array(rows, np.int32), scores, ask, CATALOGUE, rules)
    order = [rows[place] for place in found.order]
    free = [position for position in range(len(rows)) if position not in found.pinned]
    for position in free[: len(free) - found.late]:
        if not ask.query.offset <= position < ask.query.offset + ask.query.limit:
            continue
        before = order[ask.query.offset : position]
        for codes, most in ((CATALOGUE.brand, rules.per_brand), (CATALOGUE.category, rules.per_category)):
            share, code = dict(most).get("home", 0), codes[order[position]]
            if share and code >= 0:
                assert Counter(codes[before].tolist())[code] < share


@given(ROWS, asks(), RULES, st.integers(1, 4))
def test_page_two_goes_on_where_page_one_ends(rows: list[int], ask: Ask, rules: Rules, pages: int) -> None:
    """Pages cut from the order at their own offset are distinct, and together the order of the last of them."""
    cut: list[int] = []
    for page in range(pages):
        at = page * ask.query.limit
        cut += shown(rows, changed(ask, offset=at), rules)[at : at + ask.query.limit]
    last = shown(rows, changed(ask, offset=(pages - 1) * ask.query.limit), rules)
    assert cut == last[: pages * ask.query.limit]
    assert len(set(cut)) == len(cut)


@given(ROWS, asks(), RULES)
def test_what_is_buried_stands_behind_everything_else(rows: list[int], ask: Ask, rules: Rules) -> None:
    """Itself or by its brand; a pinned item is not buried."""
    order = shown(rows, changed(ask, ruled=replace(ask.ruled, pins=())), rules)
    buried = [row in ask.ruled.bury.rows or CATALOGUE.brand[row] in ask.ruled.bury.brand for row in order]
    assert buried == sorted(buried)


def test_the_final_order_is_by_score_then_by_row() -> None:
    """Equal scores stand in row order, wherever they came."""
    rows, scores = np.array([3, 2, 1, 0], np.int32), np.array([1, 5, 1, 1], np.float32)
    assert arrange(rows, scores, asked("home"), CATALOGUE).order.tolist() == [1, 3, 2, 0]


def test_a_category_has_its_share_and_the_rest_comes_later() -> None:
    """Beyond the limit items move behind the others, on the surface named; an item without category never does."""
    catalogue = sample(["a", "b", "c", "d", "e"], category=[["x"], ["x"], ["x"], ["y"], []])
    rows, scores = np.arange(5, dtype=np.int32), np.array([9, 8, 7, 6, 5], np.float32)
    one = Rules(per_category=(("home", 1),))
    assert arrange(rows, scores, asked("home"), catalogue, one).order.tolist() == [0, 3, 4, 1, 2]
    assert arrange(rows, scores, asked("search"), catalogue, one).order.tolist() == [0, 1, 2, 3, 4]


def test_spellings_of_a_brand_share_its_share() -> None:
    """Sony and SONY are one brand on a page, and 数码 and 數碼 one category."""
    catalogue = sample(["a", "b", "c"], brand=["Sony", "SONY", "Ur"], category=[["数码"], ["數碼"], ["tea"]])
    rows, scores = np.arange(3, dtype=np.int32), np.array([3, 2, 1], np.float32)
    for rules in (Rules(per_brand=(("home", 1),)), Rules(per_category=(("home", 1),))):
        assert arrange(rows, scores, asked("home"), catalogue, rules).order.tolist() == [0, 2, 1]


def test_who_filters_by_brand_gets_that_brand_whatever_its_share() -> None:
    """A share is no reason to put a wanted item behind."""
    rows, scores = np.arange(N, dtype=np.int32), -np.arange(N, dtype=np.float32)
    ask = asked("home", limit=5, filter=Filter(brand=("Oz", "Ur")))
    assert arrange(rows, scores, ask, CATALOGUE, Rules(per_brand=(("home", 1),))).order.tolist() == list(range(N))


@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 9))
def test_the_first_picks_of_variety_are_those_of_the_formula(n: int, strength: float, seed: int) -> None:
    """A plain loop over (1 - s) relevance - s likeness finds the same order, as far as gains differ."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.normal(size=n).astype(np.float32))[::-1]
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = marginal_relevance(scores, vectors, strength).tolist()
    assert sorted(order) == list(range(n))
    scaled = (scores - scores.min()) / max(scores.max() - scores.min(), 1e-9)
    for place in range(1, n if strength and n > 2 else 1):
        before = order[:place]
        gains = {
            k: (1 - strength) * scaled[k] - strength * max(float(vectors[k] @ vectors[b]) for b in before)
            for k in range(n) if k not in before
        }  # fmt: skip
        assert gains[order[place]] >= max(gains.values()) - 1e-4


def test_nothing_in_nothing_out() -> None:
    """Empty lists, with every rule."""
    none = np.zeros(0, np.int32)
    rules = Rules(per_brand=(("home", 1),), diversity=(("home", 0.5),))
    ask = asked("home", ruled=Ruled(((0, 3),), NamedItems(np.array([1], np.int32), none, none)))
    assert arrange(none, np.zeros(0, np.float32), ask, CATALOGUE, rules).order.shape == (0,)
