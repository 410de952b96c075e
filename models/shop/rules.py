"""Business rules: what may be shown at all. The last word on the order is in ``models.ranking.order``.

>>> from models.sample import asked, sample
>>> catalogue = sample(["red tea", "green tea", "wine"], price=[2.0, 4.0, 9.0])
>>> catalogue.delete("green tea")
>>> ask = asked("home", filter=Filter(price_max=8.0))
>>> allowed(np.array([0, 1, 2, -1], np.int32), ask, catalogue).tolist()
[True, False, False, False]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ask import Ask, Filter
from models.ask import NamedItems as Named
from models.base.arrays import Mask, Rows
from models.items.catalogue import Catalogue
from models.items.codes import normal
from streamrank_client.vocabulary import PURCHASE, UNASKED


@dataclass(frozen=True, slots=True)
class Rules:
    """What a shop may choose, by name where it differs.

    ``dislike_ms``: milliseconds for which a disliked item is left out where nobody asked, and sinks elsewhere;
    ``repeat_after``: seconds for which a bought item is not recommended again (0: at once, right for groceries), and
    ``repeat_by_category``: by category name, an item's deepest named category deciding. By surface, 0 or no entry for
    none: ``per_brand`` and ``per_category``, the most items of one brand or leaf category on a page; ``diversity``,
    the strength of maximal marginal relevance, 0 to 1.
    """

    repeat_after: float = 0.0
    repeat_by_category: tuple[tuple[str, float], ...] = ()
    per_brand: tuple[tuple[str, int], ...] = ()
    per_category: tuple[tuple[str, int], ...] = ()
    diversity: tuple[tuple[str, float], ...] = ()
    dislike_ms: float = 0.0


PLAIN: Final = Rules()


def mask(ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> Mask:
    """Which rows may be shown, (n,) bool: never deleted, sold out, excluded, hidden, or outside the query's filter.

    It may be a view of the catalogue's own array: do not write into it.
    """
    out: Mask = catalogue.recommendable
    if ask.query.filter is not None:
        out = out & _matches(ask.query.filter, catalogue, slice(None), ask.query.now)
    hide = ask.ruled.hide
    if len(hide.category) or len(hide.brand):
        out = out & ~_in_groups(hide, catalogue, slice(None))
    gone = _excluded(ask, catalogue, rules)
    gone = gone[(gone >= 0) & (gone < len(out))]
    if len(gone):
        out = out.copy()
        out[gone] = False
    return out


def allowed(rows: Rows, ask: Ask, catalogue: Catalogue, rules: Rules = PLAIN) -> Mask:
    """``mask`` of the given rows only, (n,) bool; False for unknown rows (below 0 or past the end)."""
    known = (rows >= 0) & (rows < len(catalogue))
    some = rows[known]
    ok = catalogue.recommendable[some] & ~np.isin(some, _excluded(ask, catalogue, rules))
    if ask.query.filter is not None:
        ok &= _matches(ask.query.filter, catalogue, some, ask.query.now)
    ok &= ~_in_groups(ask.ruled.hide, catalogue, some)
    out = np.zeros(len(rows), np.bool_)
    out[known] = ok
    return out


def named(some: Named, catalogue: Catalogue, rows: Rows) -> Mask:
    """Which of the given known rows are named, themselves or by their category or brand, (n,) bool."""
    return np.isin(rows, some.rows) | _in_groups(some, catalogue, rows)


def _in_groups(some: Named, catalogue: Catalogue, rows: slice | Rows) -> Mask:
    """Rows of a named category or brand."""
    out: Mask = np.zeros(len(catalogue.category[rows]), np.bool_)
    if len(some.category):
        out |= _among(some.category.tolist(), len(catalogue.categories.paths))[catalogue.category[rows]]
    if len(some.brand):
        out |= _among(some.brand.tolist(), len(catalogue.brands.names))[catalogue.brand[rows]]
    return out


def _excluded(ask: Ask, catalogue: Catalogue, rules: Rules) -> Rows:
    gone = [ask.query.exclude]
    if ask.query.surface in UNASKED and len(ask.user.disliked):
        gone.append(ask.user.disliked)
    if ask.query.surface == "similar":
        gone.append(_with_variants(ask.crowd.anchors[:1], catalogue))
    if len(ask.ruled.hide.rows):
        gone.append(ask.ruled.hide.rows)
    # who searches may look for what they bought; who sends candidates has chosen them
    if (rules.repeat_after > 0 or rules.repeat_by_category) and ask.query.surface in UNASKED:
        gone.append(_just_bought(ask, catalogue, rules))
    return gone[0] if len(gone) == 1 else np.concatenate(gone)


def _with_variants(rows: Rows, catalogue: Catalogue) -> Rows:
    """The rows and all of their groups."""
    groups = catalogue.group[rows[rows >= 0]]
    groups = groups[groups >= 0]
    return np.union1d(rows, np.flatnonzero(np.isin(catalogue.group, groups))) if len(groups) else rows


def _just_bought(ask: Ask, catalogue: Catalogue, rules: Rules) -> Rows:
    """Rows among the user's last events that were bought less long ago than their category asks for."""
    recent, by_category = ask.user.recent, {normal(name): after for name, after in rules.repeat_by_category}
    bought = np.flatnonzero((recent.kind == PURCHASE) & (recent.rows >= 0))
    rows = recent.rows[bought]
    paths = [catalogue.categories.paths[code] if code >= 0 else () for code in catalogue.category[rows]]
    rest = [
        next((by_category[name] for name in map(normal, reversed(path)) if name in by_category), rules.repeat_after)
        for path in paths
    ]
    return rows[recent.age[bought] < np.array(rest, np.float64)]


def _matches(want: Filter, catalogue: Catalogue, rows: slice | Rows, now: int) -> Mask:
    """Rows that match every filter given, at the prices of ``now`` (Unix ms).

    ``in_stock=False`` wants sold-out items, which are never shown.
    """
    in_stock = catalogue.in_stock[rows]
    out: Mask = np.ones(len(in_stock), np.bool_)
    if want.in_stock is not None:
        out &= in_stock == want.in_stock
    if want.category is not None:
        out &= _among(catalogue.categories.among(want.category), len(catalogue.categories.paths))[
            catalogue.category[rows]
        ]
    if want.brand is not None:
        brands = (code for name in want.brand for code in catalogue.brands.alike(name))
        out &= _among(brands, len(catalogue.brands.names))[catalogue.brand[rows]]
    if want.price_min is not None or want.price_max is not None:
        price = catalogue.price_at(now, rows)
        if want.price_min is not None:
            out &= price >= np.float32(want.price_min)
        if want.price_max is not None:
            out &= price <= np.float32(want.price_max)
    for name, wanted in want.attributes:
        out &= catalogue.attributes.match(name, wanted, len(catalogue))[rows]
    return out


def _among(codes: Iterable[int], count: int) -> Mask:
    """A table by code, True for ``codes``; its last entry answers code -1 (none) with False."""
    table = np.zeros(count + 1, np.bool_)
    table[list(codes)] = True
    table[-1] = False
    return table
