"""Business rules: what may be shown at all, and the last word on the order.

>>> from models.sample import sample
>>> catalogue = sample(["red tea", "green tea", "wine"], price=[2.0, 4.0, 9.0])
>>> catalogue.delete("green tea")
>>> ask = Ask(now=0, surface="home", filter=Filter(price_max=8.0))
>>> allowed(np.array([0, 1, 2, -1], np.int32), ask, catalogue).tolist()
[True, False, False, False]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Filter, Floats, Rows
from models.catalogue import Catalogue

Mask = NDArray[np.bool_]

#: The code of a purchase in ``Ask.recent.kind`` (its place in state.records.KINDS).
PURCHASE: Final = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What a shop may choose. ``repeat_after``: seconds for which a bought item is not shown again (0: at
    once, right for groceries); ``per_category``: most items of one leaf category before all others (None: no
    limit).
    """

    repeat_after: float = 0.0
    per_category: int | None = None


PLAIN: Final = Rules()


def mask(ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> Mask:
    """Which rows may be shown, (n,) bool: never deleted, sold out, excluded, or outside the query's filter.

    It may be a view of the catalogue's own array: do not write into it.
    """
    out: Mask = catalogue.recommendable
    if ask.filter is not None:
        out = out & _matches(ask.filter, catalogue, slice(None), ask.now)
    gone = _excluded(ask, rules)
    gone = gone[(gone >= 0) & (gone < len(out))]
    if len(gone):
        out = out.copy() if ask.filter is None else out
        out[gone] = False
    return out


def allowed(rows: Rows, ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> Mask:
    """``mask`` of the given rows only, (n,) bool; False for unknown rows (below 0 or past the end)."""
    known = (rows >= 0) & (rows < len(catalogue))
    some = rows[known]
    ok = catalogue.recommendable[some] & ~np.isin(some, _excluded(ask, rules))
    if ask.filter is not None:
        ok &= _matches(ask.filter, catalogue, some, ask.now)
    out = np.zeros(len(rows), np.bool_)
    out[known] = ok
    return out


def finish(rows: Rows, scores: Floats, ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> NDArray[np.intp]:
    """The final order: places in ``rows``, best score first, ties by row.

    On home with ``per_category``, items beyond that many of their leaf category stand after all the others,
    in order.
    """
    order: NDArray[np.intp] = np.lexsort((rows, -scores))
    if rules.per_category is None or ask.surface != "home":
        return order
    leaf = catalogue.category[rows[order]]
    late = (_nth_of_its_kind(leaf) >= rules.per_category) & (leaf >= 0)
    return np.concatenate([order[~late], order[late]])


def _excluded(ask: Ask, rules: Rules) -> Rows:
    gone = [ask.exclude]
    if ask.surface == "similar":
        gone.append(ask.anchors[:1])
    if rules.repeat_after > 0:
        recent = ask.recent
        gone.append(recent.rows[(recent.kind == PURCHASE) & (recent.age < rules.repeat_after)])
    return gone[0] if len(gone) == 1 else np.concatenate(gone)


def _matches(want: Filter, catalogue: Catalogue, rows: slice | Rows, now: int) -> Mask:
    """Rows that match every filter given, at the prices of ``now`` (Unix ms).

    ``in_stock=False`` wants sold-out items, which are never shown.
    """
    in_stock = catalogue.in_stock[rows]
    out: Mask = np.ones(len(in_stock), np.bool_)
    if want.in_stock is not None:
        out &= in_stock == want.in_stock
    if want.category is not None:
        codes = (code for name in want.category for code in catalogue.categories.under(name))
        out &= _among(codes, len(catalogue.categories.paths))[catalogue.category[rows]]
    if want.brand is not None:
        codes = (catalogue.brands.find(name) for name in want.brand)
        out &= _among(codes, len(catalogue.brands.names))[catalogue.brand[rows]]
    if want.price_min is not None or want.price_max is not None:
        price = catalogue.price_at(now, rows)
        if want.price_min is not None:
            out &= price >= np.float32(want.price_min)
        if want.price_max is not None:
            out &= price <= np.float32(want.price_max)
    return out


def _among(codes: Iterable[int], count: int) -> Mask:
    """A table by code, True for ``codes``; its last entry answers code -1 (none) with False."""
    table = np.zeros(count + 1, np.bool_)
    table[list(codes)] = True
    table[-1] = False
    return table


def _nth_of_its_kind(codes: Rows) -> NDArray[np.intp]:
    """How many equal codes stand before each place."""
    by_code = np.argsort(codes, kind="stable")
    ordered = codes[by_code]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else np.zeros(0, np.intp)
    out = np.empty(len(codes), np.intp)
    out[by_code] = np.arange(len(codes)) - np.repeat(first, np.diff(np.r_[first, len(codes)]))
    return out
