"""Each group of features as one function: (ask, what was looked up) -> a column for each name.

All are vectorised over the candidates; ``Lookup`` holds what several groups need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Floats, Rows
from models.images import Images
from models.sources.repurchase import gaps

DAY_MS: Final = 86_400_000
HOUR_S: Final = 3600.0
#: Half-lives of ``COUNT.popularity`` in days and codes of behaviour kinds, as ``state.records`` stores them
#: (tests/models/test_features.py holds the two together).
POPULARITY_DAYS: Final = np.array([1.0, 7.0, 30.0, 180.0])
KIND: Final = {"impression": 0, "view": 1, "click": 2, "add_to_cart": 3, "purchase": 4, "rating": 5}
#: An item is unknown while fewer have seen it, and fewer have used it.
SEEN: Final = 100
USED: Final = 10
#: Place of ``promotion`` among the intents.
PROMOTION: Final = 2

Columns = dict[str, Floats]


class Attributes(Protocol):
    """The catalogue's columns that features read; row by row, shape (rows, …)."""

    @property
    def compact(self) -> Floats: ...  # noqa: D102
    def price_at(self, now: int, rows: Rows) -> Floats: ...  # noqa: D102
    def discount_at(self, now: int, rows: Rows) -> Floats: ...  # noqa: D102
    @property
    def category(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def category_path(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def brand(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def first_time(self) -> NDArray[np.int64]: ...  # noqa: D102
    @property
    def images(self) -> Images: ...  # noqa: D102


class Candidates(Protocol):
    """Catalogue rows (n,) and their scores by source (n, s)."""

    @property
    def rows(self) -> Rows: ...  # noqa: D102
    @property
    def scores(self) -> Floats: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Lookup:
    """What several groups need: shapes n candidates, r recent events on items that the catalogue holds.

    ``vectors`` (n, 64): the candidates'; ``same`` (n, r): candidate is the recent event's item;
    ``seen`` (r,): its row; ``age`` (r,): seconds, at least 0; ``young`` (r,): in the last hour.
    """

    rows: Rows
    vectors: Floats
    seen: Rows
    age: Floats
    weight: Floats
    kind: NDArray[np.uint8]
    young: NDArray[np.bool_]
    same: NDArray[np.bool_]


def look_up(ask: Ask, catalogue: Attributes, rows: Rows) -> Lookup:
    """Gather what the groups share; recent events on unknown items (row -1) are left out."""
    known = ask.recent.rows >= 0
    seen = ask.recent.rows[known]
    age = np.maximum(ask.recent.age[known], 0).astype(np.float32, copy=False)
    return Lookup(
        rows=rows,
        vectors=catalogue.compact[rows],
        seen=seen,
        age=age,
        weight=ask.recent.weight[known],
        kind=ask.recent.kind[known],
        young=age < HOUR_S,
        same=rows[:, None] == seen[None, :],
    )


def covisits(ask: Ask, look: Lookup) -> Columns:
    """Directed and in-basket co-visits with the user's anchors, as shares of each anchor's total."""
    n, near = len(look.rows), ask.neighbours
    order = np.argsort(look.rows, kind="stable")
    ranked = look.rows[order]
    place = np.minimum(np.searchsorted(ranked, near.rows), max(n - 1, 0))
    hit = (ranked[place] == near.rows) & (near.rows >= 0) if n else np.zeros(len(near.rows), np.bool_)
    where, anchor = order[place[hit]], near.anchor[hit]
    mass = np.maximum(near.anchor_mass[anchor], 1e-9)
    after, together = near.after[hit] / mass[:, 0], near.together[hit] / mass[:, 1]
    basket = basket_anchors(ask, look)
    in_basket = basket[anchor]
    size = max(int(basket.sum()), 1)

    def total(values: Floats, keep: NDArray[np.bool_]) -> Floats:
        return np.bincount(where[keep], values[keep], n).astype(np.float32)

    return {
        "after_newest": total(after, anchor == 0),
        "after_newest_2": total(after, anchor < 2),
        "after_newest_5": total(after, anchor < 5),
        "after_strength": np.log1p(total(near.after[hit], anchor < 5)),
        "together_newest": total(together, anchor == 0),
        "together_basket": total(together, in_basket) / size,
        "after_basket": total(after, in_basket) / size,
    }


def basket_anchors(ask: Ask, look: Lookup) -> NDArray[np.bool_]:
    """Which anchors are the basket: those of the last hour, and those that the query itself named."""
    count = max(len(ask.anchors), int(ask.neighbours.anchor.max(initial=-1)) + 1)
    named = np.zeros(count, np.bool_)
    anchors = ask.anchors
    named[: len(anchors)] = np.isin(anchors, look.seen[look.young]) | ~np.isin(anchors, look.seen)
    return named


def interest(ask: Ask, look: Lookup, compact: Floats) -> Columns:
    """Cosines with the user's interests, the newest items and the query's text."""
    targets = np.zeros((5, look.vectors.shape[1]), np.float32)
    targets[0], targets[1] = ask.short, ask.long
    liked = look.seen[look.weight > 0][:5]
    if len(liked):
        targets[2] = compact[liked[0]]
        targets[3] = _unit(compact[liked].mean(axis=0))
    if ask.compact is not None:
        targets[4] = ask.compact
    cosines = look.vectors @ targets.T
    names = ("like_short_interest", "like_long_interest", "like_newest", "like_newest_5", "like_text")
    return {name: cosines[:, place] for place, name in enumerate(names)}


def looks(look: Lookup, images: Images) -> Columns:
    """Cosine of the image with that of the newest liked item that has one; 0 where either is missing."""
    liked = images.having(look.seen[look.weight > 0])[:1]
    if not len(liked):
        return {"like_image_newest": np.zeros(len(look.rows), np.float32)}
    return {"like_image_newest": images.cosines(look.rows, images.vectors(liked)[0])}


def track_record(ask: Ask, counts: NDArray[np.void]) -> Columns:
    """Popularity decayed to the query's time, counts, smoothed rates, and idleness."""
    kinds = counts["kinds"].astype(np.float32)
    idle = np.maximum(ask.now - counts["last"], 0) / DAY_MS
    popularity = counts["popularity"] * np.exp2(-idle[:, None] / POPULARITY_DAYS)
    events = kinds[:, 1:].sum(axis=1)
    logs = np.log1p(kinds)
    ratings = kinds[:, KIND["rating"]]
    return {
        "popularity_1_day": popularity[:, 0],
        "popularity_7_days": popularity[:, 1],
        "popularity_30_days": popularity[:, 2],
        "popularity_180_days": popularity[:, 3],
        "views": logs[:, KIND["view"]],
        "clicks": logs[:, KIND["click"]],
        "carts": logs[:, KIND["add_to_cart"]],
        "purchases": logs[:, KIND["purchase"]],
        "click_rate": (kinds[:, KIND["click"]] + 1) / (kinds[:, KIND["impression"]] + 20),
        "purchase_rate": (kinds[:, KIND["purchase"]] + 1) / (events + 20),
        "rating": (counts["ratings"] + 5 * 3.5) / (ratings + 5),
        "idle": np.log1p(np.where(events > 0, idle, 365.0)),
    }


def is_new(ask: Ask, look: Lookup, counts: NDArray[np.void], first_time: NDArray[np.int64]) -> Columns:
    """Young items that few have seen and fewer have used."""
    young = ask.now - first_time[look.rows] < ask.new_days * DAY_MS
    kinds = counts["kinds"]
    unknown = (kinds[:, KIND["impression"]] < SEEN) & (kinds[:, 1:].sum(axis=1) < USED)
    return {"is_new": (young & unknown).astype(np.float32)}


def rhythm(ask: Ask, look: Lookup) -> Columns:
    """What the user buys again, and how due it is."""
    had = ask.bought
    order = np.argsort(had.rows, kind="stable")
    ranked = had.rows[order]
    place = order[np.minimum(np.searchsorted(ranked, look.rows), len(ranked) - 1)] if len(ranked) else None
    if place is None:
        return {"bought_days": np.zeros(len(look.rows), np.float32), "due": np.zeros(len(look.rows), np.float32)}
    own = had.rows[place] == look.rows
    due = np.minimum(had.since[place] / gaps(had)[place], 4)
    return {"bought_days": np.where(own, np.log1p(had.count[place]), 0), "due": np.where(own, due, 0)}


def own_history(look: Lookup) -> Columns:
    """What the user did with each candidate, of the recent events."""
    same = look.same.astype(np.float32)
    recency = same * (HOUR_S / (HOUR_S + look.age))
    per_event = np.stack(
        (np.ones_like(look.age), look.young, look.weight, look.kind == KIND["purchase"]), axis=1
    ).astype(np.float32)
    sums = same @ per_event
    return {
        "own_events": sums[:, 0],
        "own_events_hour": sums[:, 1],
        "own_weight": sums[:, 2],
        "own_recency": recency.max(axis=1, initial=0),
        "own_purchases": sums[:, 3],
    }


def shares(look: Lookup, catalogue: Attributes) -> Columns:
    """Share of the user's recent items in each candidate's category, department and brand (-1: none)."""
    basket = look.young.astype(np.float32)
    every = np.ones_like(basket)
    by_category = _alike(catalogue.category, look)
    return {
        "category_share": by_category @ every / max(len(every), 1),
        "category_basket_share": by_category @ basket / max(float(basket.sum()), 1.0),
        "department_share": _alike(catalogue.category_path[:, 0], look) @ every / max(len(every), 1),
        "brand_share": _alike(catalogue.brand, look) @ every / max(len(every), 1),
    }


def price(ask: Ask, look: Lookup, catalogue: Attributes) -> Columns:
    """Price, alone and beside what the user usually pays, and its discount; 0 where nothing is known."""
    prices = catalogue.price_at(ask.now, look.rows)
    paid = catalogue.price_at(ask.now, look.seen)
    paid = paid[paid > 0]
    discount = catalogue.discount_at(ask.now, look.rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(prices / np.median(paid)) if len(paid) else np.zeros_like(prices)
    gap = np.clip(np.nan_to_num(gap, nan=0.0, neginf=0.0), -5, 5)
    return {
        "price": np.log1p(np.nan_to_num(prices)),
        "price_to_usual": gap,
        "price_distance": np.abs(gap),
        "discount": discount,
        "promotion_hunt": discount * ask.intent[PROMOTION],
    }


def situation(ask: Ask, look: Lookup, first_time: NDArray[np.int64]) -> Columns:
    """The item's age, and what is the same for every candidate of the list."""
    n = len(look.rows)
    basket = len(np.unique(look.seen[look.young]))
    words = len(ask.tokens) if ask.tokens else len(ask.text.split())
    return {
        "age": np.log1p(np.maximum(ask.now - first_time[look.rows], 0) / DAY_MS),
        "user_events": np.full(n, np.log1p(max(ask.events, 0)), np.float32),
        "basket_size": np.full(n, np.log1p(basket), np.float32),
        "has_text": np.full(n, bool(ask.text), np.float32),
        "text_words": np.full(n, np.log1p(words), np.float32),
    }


def _alike(codes: NDArray[np.int32], look: Lookup) -> Floats:
    """1 where candidate and recent item have the same known code, shape (n, r)."""
    mine, theirs = codes[look.rows], codes[look.seen]
    alike: Floats = ((mine[:, None] == theirs[None, :]) & (mine >= 0)[:, None]).astype(np.float32)
    return alike


def _unit(vector: Floats) -> Floats:
    length = max(float(np.linalg.norm(vector)), 1e-9)
    unit: Floats = np.divide(vector, length, dtype=np.float32)
    return unit
