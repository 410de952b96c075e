"""Facets: counts of all matches, with the filters of the other facets applied."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from models.ask import Filter
from models.items.attributes import one_of
from models.retrieval.facets import FacetCount, facet
from models.sample import asked, sample

CATALOGUE = sample(
    ["red tea", "green tea", "red wine", "white wine", "mug"],
    brand=["Oz", "OZ", "Ur", "Ur", ""],
    category=[["Drinks", "Tea"], ["drinks", "tea"], ["Drinks", "Wine"], ["Drinks", "Wine"], ["Kitchen"]],
    price=[3.0, 4.0, 12.0, 20.0, None],
    attributes=[{"colour": "Red"}, {"colour": ["green", "red"]}, {"colour": "RED", "size": 75.0}, {"size": 75.0}, {}],
    in_stock=[True, True, True, True, True],
)


def counts(name: str, **given: Any) -> dict[object, int]:
    """The facet of a query."""
    surface = "search" if "tokens" in given else "home"
    return {one.value: one.number for one in facet(name, asked(surface, **given), CATALOGUE)}


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("brand", {}, {"Oz": 2, "Ur": 2}),
        ("brand", {"tokens": ("red",)}, {"Oz": 1, "Ur": 1}),
        ("brand", {"filter": Filter(brand=("ur",))}, {"Oz": 2, "Ur": 2}),
        ("brand", {"filter": Filter(price_max=10.0)}, {"Oz": 2}),
        ("category", {}, {"Drinks": 4, "Drinks > Tea": 2, "Drinks > Wine": 2, "Kitchen": 1}),
        ("category", {"filter": Filter(category=("Tea",), brand=("Oz",))}, {"Drinks": 2, "Drinks > Tea": 2}),
        ("colour", {}, {"Red": 3, "green": 1}),
        ("colour", {"filter": Filter(attributes=(("colour", one_of(["green"])),))}, {"Red": 3, "green": 1}),
        ("size", {}, {75.0: 2}),
        ("size", {"filter": Filter(attributes=(("colour", one_of(["red"])),))}, {75.0: 1}),
        ("no such", {}, {}),
    ],
)
def test_values_are_counted(name: str, given: dict[str, object], found: dict[object, int]) -> None:
    """In one spelling for all of a normal form; a facet's own filter does not narrow it, those of others do."""
    assert counts(name, **given) == found


def test_prices_are_counted_in_ranges() -> None:
    """At round numbers, open at both ends; what has no price is in none."""
    ranges = facet("price", asked("home"), CATALOGUE)
    assert sum(one.number for one in ranges) == 4
    assert (ranges[0].low, ranges[-1].high) == (None, None)
    for one, other in pairwise(ranges):
        assert one.high is not None
        assert other.low is not None
        assert one.high <= other.low
    assert facet("price", asked("search", tokens=("mug",)), CATALOGUE) == []


def test_variants_count_once_for_each_value() -> None:
    """Three sizes of one red shirt are one red product, in three sizes."""
    shirts = sample(
        ["tee 1", "tee 2", "tee 3"], group_id=["g"] * 3,
        attributes=[{"colour": "red", "size": str(n)} for n in range(3)],
    )  # fmt: skip
    assert facet("colour", asked("home"), shirts) == [FacetCount("red", 1)]
    assert len(facet("size", asked("home"), shirts)) == 3
