"""Business rules: what may be shown, and in what order at last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.ask import Filter, Recent
from models.items.attributes import between, one_of
from models.items.catalogue import Catalogue
from models.sample import asked, sample
from models.shop.rule_book import RuleBook, RuleEntry
from models.shop.rules import Rules, allowed, mask
from streamrank_client.vocabulary import PURCHASE
from tests.support.asks import changed


def shop() -> Catalogue:
    """Six items; the fifth is sold out, the sixth deleted."""
    catalogue = sample(
        ["a", "b", "c", "d", "e", "f"],
        category=[["food", "tea"], ["gifts", "tea"], ["food", "wine"], [], ["food", "tea"], ["food"]],
        brand=["Oz", "", "Oz", "Ur", "Oz", "Oz"],
        price=[2.0, 4.0, None, 8.0, 2.0, 2.0],
        in_stock=[True, True, True, True, False, True],
        attributes=[
            {"size": 40.0, "colour": ["Red", "blue"]},
            {"size": 42.0, "organic": True},
            {"colour": "RED"},
            {"size": "40"},
            {"size": 40.0},
            {"size": 40.0},
        ],
    )
    catalogue.delete("f")
    return catalogue


FILTERS = [
    (Filter(), [0, 1, 2, 3]),
    (Filter(category=("tea",)), [0, 1]),
    (Filter(category=("food",)), [0, 2]),
    (Filter(category=("gifts", "wine")), [1, 2]),
    (Filter(category=("none",)), []),
    (Filter(category=()), []),
    (Filter(brand=("Oz",)), [0, 2]),
    (Filter(brand=("",)), []),
    (Filter(brand=("none",)), []),
    (Filter(price_min=3.0), [1, 3]),
    (Filter(price_max=4.0), [0, 1]),
    (Filter(price_min=4.0, price_max=4.0), [1]),
    (Filter(in_stock=True), [0, 1, 2, 3]),
    (Filter(in_stock=False), []),
    (Filter(attributes=(("size", one_of([40])),)), [0]),
    (Filter(attributes=(("size", between(41, None)),)), [1]),
    (Filter(attributes=(("colour", one_of(["red", "green"])),)), [0, 2]),
    (Filter(attributes=(("organic", one_of([True])),)), [1]),
    (Filter(attributes=(("organic", one_of([False])),)), []),
    (Filter(attributes=(("nothing", one_of(["x"])),)), []),
    (Filter(attributes=(("size", between(40, 42)), ("colour", one_of(["blue"])))), [0]),
    (Filter(category=("food",), brand=("Oz",), price_max=3.0, in_stock=True), [0]),
]


@pytest.mark.parametrize(("want", "rows"), FILTERS)
def test_a_filter_lets_through_what_matches_it(want: Filter, rows: list[int]) -> None:
    """Every filter given must match; any of its values will do; unknown prices match no price filter."""
    catalogue, ask = shop(), asked("home", filter=want)
    assert np.flatnonzero(mask(ask, catalogue)).tolist() == rows


@given(
    st.sampled_from([want for want, _ in FILTERS]),
    st.lists(st.integers(-1, 5), max_size=3),
    st.lists(st.integers(-3, 9), max_size=12),
)
def test_asking_for_some_rows_or_for_all_is_one_rule(want: Filter, exclude: list[int], rows: list[int]) -> None:
    """``allowed`` is ``mask`` at those rows, and False where there is no row."""
    catalogue = shop()
    ask = asked("home", filter=want, exclude=np.array(exclude, np.int32))
    whole = mask(ask, catalogue)
    expected = [bool(0 <= row < 6 and whole[row]) for row in rows]
    assert allowed(np.array(rows, np.int32), ask, catalogue).tolist() == expected


def test_an_exclusion_does_not_write_into_the_catalogue() -> None:
    """The mask of one query leaves the next one's alone."""
    catalogue = shop()
    assert mask(asked("home", exclude=np.array([0], np.int32)), catalogue).sum() == 3
    assert mask(asked("home"), catalogue).sum() == 4


def test_the_item_itself_is_not_similar_to_itself() -> None:
    """The first anchor is left out on the similar surface only."""
    anchors = np.array([1, 2], np.int32)
    assert not mask(asked("similar", anchors=anchors), shop())[1]
    assert mask(asked("home", anchors=anchors), shop())[1]


def test_what_was_just_bought_is_left_out_only_where_the_shop_says_so() -> None:
    """Groceries are bought again; a shop may set a time for which they are not shown. Clicks do not count."""
    recent = Recent(
        np.array([0, 1, 2], np.int32),
        np.array([60, 9_999, 60], np.float32),
        kind=np.array([PURCHASE, PURCHASE, 2], np.uint8),
    )
    ask = asked("home", recent=recent)
    assert mask(ask, shop()).tolist()[:3] == [True, True, True]
    assert mask(ask, shop(), Rules(repeat_after=3_600)).tolist()[:3] == [False, True, True]
    for surface, left in (("similar", False), ("cart", False), ("search", True), ("rerank", True)):
        other = changed(ask, surface=surface, anchors=np.array([3], np.int32))
        assert mask(other, shop(), Rules(repeat_after=3_600))[0] == left


@pytest.mark.parametrize(
    ("by_category", "shown"),
    [
        ((), [False, False, False]),
        ((("food", 0.0),), [True, False, True]),
        ((("food", 0.0), ("tea", 3_600.0)), [False, False, True]),
        ((("gifts", 0.0),), [False, True, False]),
    ],
)
def test_the_deepest_named_category_says_how_soon_an_item_comes_again(
    by_category: tuple[tuple[str, float], ...], shown: list[bool]
) -> None:
    """Items are food/tea, gifts/tea and food/wine; the default is an hour, and all were bought a minute ago."""
    bought = np.full(3, PURCHASE, np.uint8)
    recent = Recent(np.arange(3, dtype=np.int32), np.full(3, 60, np.float32), kind=bought)
    ask = asked("home", recent=recent)
    assert mask(ask, shop(), Rules(3_600.0, by_category)).tolist()[:3] == shown


@pytest.mark.parametrize("by_category", [(("ＦＯＯＤ", 0.0),), (("Food", 0.0),), (("foöd", 0.0),)])
def test_a_category_of_a_pause_is_named_in_any_spelling(by_category: tuple[tuple[str, float], ...]) -> None:
    """Width, case and accents make no difference."""
    bought = np.full(3, PURCHASE, np.uint8)
    recent = Recent(np.arange(3, dtype=np.int32), np.full(3, 60, np.float32), kind=bought)
    ask = asked("home", recent=recent)
    assert mask(ask, shop(), Rules(3_600.0, by_category)).tolist()[:3] == [True, False, True]


SPELLED = sample(
    ["a", "b", "c", "d"],
    brand=["Sony", "SONY", "Philips", "ＰＨＩＬＩＰＳ"],
    category=[["數碼"], ["数码"], ["Café"], ["cafe"]],
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(brand=("sony",)), [True, True, False, False]),
        (Filter(brand=("PHILIPS",)), [False, False, True, True]),
        (Filter(category=("数码",)), [True, True, False, False]),
        (Filter(category=("CAFÉ",)), [False, False, True, True]),
        (Filter(brand=("Son",)), [False, False, False, False]),
    ],
)
def test_brands_and_categories_are_filtered_in_their_normal_form(wanted: Filter, found: list[bool]) -> None:
    """Feeds of two suppliers write them in two ways."""
    assert mask(asked("home", filter=wanted), SPELLED).tolist() == found


def test_a_rule_hides_what_it_names_in_any_spelling() -> None:
    """A recall of a brand reaches all of its items."""
    for entry in (RuleEntry("r", "hide", brand=["sony"]), RuleEntry("r", "hide", category=["数码"])):
        book = RuleBook()
        book.put(entry)
        ask = asked("home", ruled=book.find("home", "", (), 0, SPELLED))
        assert mask(ask, SPELLED).tolist() == [False, False, True, True]


def test_nothing_in_nothing_out() -> None:
    """Empty catalogue, empty lists."""
    ask, none = asked("home", filter=Filter(category=("x",))), np.zeros(0, np.int32)
    assert mask(ask, Catalogue()).shape == (0,)
    assert allowed(none, ask, Catalogue()).shape == (0,)
    assert allowed(np.array([-1, 0], np.int32), ask, Catalogue()).tolist() == [False, False]
