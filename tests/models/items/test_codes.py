"""Brands and categories in their normal form, and paths asked for as one."""

from __future__ import annotations

import numpy as np
import pytest

from models.items.codes import Categories, Names, normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sony", "SONY"), ("Philips", "ＰＨＩＬＩＰＳ"), ("數碼", "数码"), ("Fjällräven", "fjallraven"),
        ("L'Oréal  Paris", "l'oreal paris"), ("Żubrówka", "zubrowka"), ("Søstrene", "sostrene"), ("Straße", "STRASSE"),
    ],
)  # fmt: skip
def test_spellings_of_one_normal_form_are_alike(one: str, other: str) -> None:
    """Case, width, Chinese script, accents and blanks make no difference, whichever is asked for."""
    for held, asked in ((one, other), (other, one)):
        names = Names()
        names.code("another")
        assert names.alike(asked) == []
        assert [names.code(held)] == names.alike(asked)


@pytest.mark.parametrize(("one", "other"), [("ガス", "カス"), ("Sony", "Sonny"), ("3M", "3 M"), ("ば", "は")])
def test_other_names_stay_others(one: str, other: str) -> None:
    """What tells names apart in their language does so here."""
    assert normal(one) != normal(other)


def test_spellings_share_a_code_where_shares_are_counted() -> None:
    """A page's share of a brand is one for Sony and SONY."""
    names = Names()
    codes = np.array([*(names.code(name) for name in ("Sony", "Ur", "SONY")), -1], np.int32)
    assert codes.tolist() == [0, 1, 2, -1]
    assert names.first_alike(codes) == [0, 1, 0, -1]


PATHS = (("Men", "Shoes", "Boots"), ("Women", "Shoes"), ("Women", "Hats"), ("A > B",), ("数码", "手机"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["Men", "Shoes"], {("Men", "Shoes"), ("Men", "Shoes", "Boots")}),
        (["men", "SHOES"], {("Men", "Shoes"), ("Men", "Shoes", "Boots")}),
        (["Men > Shoes"], {("Men", "Shoes"), ("Men", "Shoes", "Boots")}),
        (["shoes>boots"], {("Men", "Shoes", "Boots")}),
        (["Shoes", "Hats"], {("Men", "Shoes"), ("Men", "Shoes", "Boots"), ("Women", "Shoes"), ("Women", "Hats")}),
        ([["Women", "Shoes"], "Boots"], {("Women", "Shoes"), ("Men", "Shoes", "Boots")}),
        (["a > b"], {("A > B",)}),
        (["數碼", "手机"], {("数码", "手机")}),
        (["Men", "Hats"], {("Men",), ("Men", "Shoes"), ("Men", "Shoes", "Boots"), ("Women", "Hats")}),
        (["Kids"], set()),
        ([["Shoes"]], set()),
    ],
)
def test_a_filter_names_categories_or_paths(asked: list[str | list[str]], found: set[tuple[str, ...]]) -> None:
    """Names at any level, any of them; a path as the item has it, or written as one text."""
    categories = Categories()
    for path in PATHS:
        categories.code(path)
    assert {categories.paths[code] for code in categories.among(asked)} == found
