"""The last word on the order: variety, shares of a page, what is buried, what is pinned.

>>> from models.ask import Ruled
>>> from models.sample import asked, sample
>>> catalogue = sample(["a", "b", "c", "d"], brand=["Oz", "Oz", "Ur", "Oz"])
>>> rows, scores = np.arange(4, dtype=np.int32), np.array([4, 3, 2, 1], np.float32)
>>> ask = asked("home", limit=2, ruled=Ruled(pins=((0, 3),)))
>>> arrange(rows, scores, ask, catalogue).order.tolist()
[3, 0, 1, 2]
>>> arrange(rows, scores, ask, catalogue, Rules(per_brand=(("home", 1),))).order.tolist()
[3, 2, 0, 1]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.ask import Ask, NamedItems
from models.base.arrays import Floats, Places, Rows
from models.items.catalogue import Catalogue
from models.ranking.authority import IDENTIFIED, Tiers
from models.ranking.diversity import POOL, PageShare, marginal_relevance, paged
from models.shop.rules import PLAIN, Rules, named


class Arranged(NamedTuple):
    """``order``: (n,) places in the rows given, in the order in which they stand; ``pinned``: positions in that
    order which a rule fills, ascending; ``late``: how many of the others, the last, are extras or buried; ``fixed``:
    the pinned positions, and those of what the text identifies.
    """

    order: Places
    pinned: Places
    late: int
    fixed: Places


def arrange(
    rows: Rows,
    scores: Floats,
    ask: Ask,
    catalogue: Catalogue,
    rules: Rules = PLAIN,
    tier: Tiers | None = None,
) -> Arranged:
    """Put candidates, rows with their scores (n,), into their final order, before exploration.

    By ``tier``, (n,), where there is one; then by score, ties by row; the best 50 by maximal marginal relevance where
    the rules want it, each tier by itself; then page by page so that no brand or category has more than its share; then
    what is buried; pinned items at their positions, or at the end of a shorter list. The order up to a page's end is
    the same for every page of one query.
    """
    tier = np.zeros(len(rows), np.int8) if tier is None else tier
    order: Places = np.lexsort((rows, -scores, -tier))
    unwanted = set(ask.user.disliked.tolist())
    at = dict(zip(rows.tolist(), range(len(rows)), strict=True)) if ask.ruled.pins else {}
    pins = [(position, at[row]) for position, row in ask.ruled.pins if row in at and row not in unwanted]
    free, buried = order, order[:0]
    if pins or len(ask.user.disliked) or any(map(len, _named_in(ask.ruled.bury))):
        taken = np.zeros(len(rows), np.bool_)
        taken[[place for _, place in pins]] = True
        bury = (named(ask.ruled.bury, catalogue, rows) | np.isin(rows, ask.user.disliked)) & ~taken
        free, buried = order[~(taken | bury)[order]], order[bury[order]]
    pins = _placed(pins, len(rows))
    free = _varied(free, rows, scores, ask, catalogue, rules)
    free = free[np.argsort(-tier[free], kind="stable")]
    free, extras = _within_shares(free, pins, rows, ask, catalogue, rules)
    rest = np.concatenate([free, buried])
    order, pinned = _woven(rest, pins), np.array([p for p, _ in pins], np.intp)
    named_by_text = np.flatnonzero(tier[order] == IDENTIFIED)
    return Arranged(order, pinned, extras + len(buried), np.union1d(pinned, named_by_text))


def _named_in(some: NamedItems) -> tuple[Rows, Rows, Rows]:
    return some.rows, some.category, some.brand


def _placed(pins: list[tuple[int, int]], n: int) -> list[tuple[int, int]]:
    """Pins at positions of their own: the second for one goes behind the first; in a list of ``n`` that is too short
    what is behind moves up.
    """
    found: list[tuple[int, int]] = []
    for position, place in pins:
        found.append((max(position, found[-1][0] + 1 if found else 0), place))
    return [(min(position, n - len(found) + before), place) for before, (position, place) in enumerate(found)]


def _varied(free: Places, rows: Rows, scores: Floats, ask: Ask, catalogue: Catalogue, rules: Rules) -> Places:
    strength = dict(rules.diversity).get(ask.query.surface, 0.0)
    if strength == 0:
        return free
    pool = free[:POOL]
    again = marginal_relevance(scores[pool], catalogue.compact[rows[pool]], strength)
    return np.concatenate([pool[again], free[POOL:]])


def _within_shares(
    free: Places, pins: list[tuple[int, int]], rows: Rows, ask: Ask, catalogue: Catalogue, rules: Rules
) -> tuple[Places, int]:
    """The places page by page, and how many at the end are extras. Who filters by brand wants that brand alone, so
    its share does not count then; categories likewise.
    """
    per_brand, per_category = (dict(most).get(ask.query.surface, 0) for most in (rules.per_brand, rules.per_category))
    wanted = ask.query.filter
    shares = []
    if per_brand and (wanted is None or wanted.brand is None):
        shares.append(PageShare(catalogue.brands.first_alike(catalogue.brand[rows]), per_brand))
    if per_category and (wanted is None or wanted.category is None):
        shares.append(PageShare(catalogue.categories.first_alike(catalogue.category[rows]), per_category))
    if not shares:
        return free, 0
    # one page beyond the one shown, because exploration may take from it
    found = paged(free.tolist(), shares, pins, ask.query.limit, ask.query.offset + 2 * ask.query.limit)
    return np.array(found.order, np.intp), len(found.order) - found.extras


def _woven(rest: Places, pins: list[tuple[int, int]]) -> Places:
    """Pins at their positions, the rest around them."""
    if not pins:
        return rest
    out = np.empty(len(rest) + len(pins), np.intp)
    open_places = np.ones(len(out), np.bool_)
    for position, place in pins:
        out[position] = place
        open_places[position] = False
    out[open_places] = rest
    return out
