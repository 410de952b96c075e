"""Facets: how the matches of a query spread over categories, brands, prices and attributes.

A facet counts all matches that the filters of the other facets leave, so that a page can say what another choice would
find; variants of one product count once for each value.

>>> from models.sample import asked, sample
>>> catalogue = sample(["red tea", "green tea", "wine"], brand=["Oz", "OZ", "Ur"], price=[3.0, 2.0, 9.0])
>>> facet("brand", asked("home"), catalogue)
[FacetCount(value='Oz', number=2, low=None, high=None), FacetCount(value='Ur', number=1, low=None, high=None)]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Filter
from models.base.arrays import Ints, Rows
from models.items.catalogue import Catalogue
from models.retrieval.matches import matching
from models.shop.rules import PLAIN, Rules, mask

#: values of a facet that are told, most frequent first; ranges of prices
MOST: Final = 100
RANGES: Final = 5


class FacetCount(NamedTuple):
    """A value, or a range of prices from ``low`` to below ``high`` (None: no bound), and how many matches have it."""

    value: bool | float | str | None
    number: int
    low: float | None = None
    high: float | None = None


def facet(name: str, ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> list[FacetCount]:
    """The facet ``category``, ``brand`` or ``price``, or else that of an attribute."""
    others = replace(ask, query=replace(ask.query, filter=_without(ask.query.filter, name)))
    matches = matching(others, catalogue, mask(others, catalogue, rules))
    rows = np.flatnonzero(matches).astype(np.int32)
    if name == "price":
        return _ranges(catalogue.price_at(ask.query.now, rows), _units(rows, catalogue))
    if name == "brand":
        brands = np.array(catalogue.brands.first_alike(catalogue.brand[rows]), np.int64)
        names = catalogue.brands.names
        return _told(((names[code], n) for code, n in _counted(brands, _units(rows, catalogue))))
    if name == "category":
        return _categories(rows, catalogue)
    values, of = catalogue.attributes.values_of(name, matches)
    numbers = {value: n for n, value in enumerate(dict.fromkeys(values))}
    codes = np.array([numbers[value] for value in values], np.int64)
    spelled = list(numbers)
    return _told((spelled[code], n) for code, n in _counted(codes, _units(of, catalogue)))


def _without(filter: Filter | None, name: str) -> Filter | None:
    if filter is None:
        return None
    if name == "price":
        return replace(filter, price_min=None, price_max=None)
    if name == "brand":
        return replace(filter, brand=None)
    if name == "category":
        return replace(filter, category=None)
    return replace(filter, attributes=tuple(pair for pair in filter.attributes if pair[0] != name))


def _units(rows: Rows, catalogue: Catalogue) -> Ints:
    """A number of each row, the same for all variants of one product."""
    groups = catalogue.group[rows].astype(np.int64)
    return np.where(groups >= 0, len(catalogue) + groups, rows)


def _counted(codes: Ints, units: Ints) -> list[tuple[int, int]]:
    """Codes from 0 on with how many distinct units have them."""
    span = int(units.max(initial=0)) + 1
    distinct = np.unique(codes[codes >= 0] * span + units[codes >= 0]) // span
    found, counts = np.unique(distinct, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))


def _told(counts: Iterable[tuple[bool | float | str, int]]) -> list[FacetCount]:
    best = sorted(counts, key=lambda pair: (-pair[1], str(pair[0])))
    return [FacetCount(value, count) for value, count in best[:MOST]]


def _categories(rows: Rows, catalogue: Catalogue) -> list[FacetCount]:
    """Every category on the way from the root, called by its path."""
    categories = catalogue.categories
    first = np.array([*categories.first_alike(np.arange(len(categories.paths), dtype=np.int32)), -1], np.int64)
    paths = catalogue.category_path[rows]
    units = np.repeat(_units(rows, catalogue), paths.shape[1])
    return _told((" > ".join(categories.paths[code]), n) for code, n in _counted(first[paths.ravel()], units))


def _ranges(prices: NDArray[np.float32], units: Ints) -> list[FacetCount]:
    """Prices cut into ranges that hold about as many each, at round numbers."""
    known = ~np.isnan(prices)
    prices, units = prices[known], units[known]
    if not len(prices):
        return []
    cuts = np.quantile(prices, np.arange(1, RANGES) / RANGES)
    borders = sorted({_round(float(cut)) for cut in cuts if cut > 0})
    codes = np.searchsorted(np.array(borders), prices, side="right").astype(np.int64)
    ends: list[float | None] = [None, *borders, None]
    return [FacetCount(None, n, ends[code], ends[code + 1]) for code, n in _counted(codes, units)]


def _round(number: float) -> float:
    """The number to one digit, and a half of it.

    >>> _round(17.3), _round(23.0), _round(0.0449)
    (15.0, 25.0, 0.045)
    """
    unit = 10.0 ** np.floor(np.log10(number)) / 2
    return float(np.round(round(number / unit) * unit, 6))
