"""Each group of features as one function: (ask, what was looked up) -> a column for each name.

All are vectorised over the candidates; ``Lookup`` holds what several groups need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Floats, Rows
from streamrank_client.vocabulary import HOUR_S
from models.items.images import Images
from models.retrieval.sources.base import places
from models.retrieval.sources.repurchase import gaps
from models.tower.column import TowerColumn

DAY_MS: Final = 86_400_000
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
    @property
    def tower(self) -> TowerColumn | None: ...  # noqa: D102


class Candidates(Protocol):
    """Catalogue rows (n,) and their scores by source (n, s)."""

    @property
    def rows(self) -> Rows: ...  # noqa: D102
    @property
    def scores(self) -> Floats: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Lookup:
    """What several groups need: shapes n candidates, r recent events on items that the catalogue holds.

    ``vectors`` (n, 64): the candidates'; ``seen`` (r,): a recent event's row; ``age`` (r,): seconds, at least 0;
    ``young`` (r,): in the last hour.
    """

    rows: Rows
    vectors: Floats
    seen: Rows
    age: Floats
    weight: Floats
    kind: NDArray[np.uint8]
    young: NDArray[np.bool_]


def look_up(ask: Ask, catalogue: Attributes, rows: Rows) -> Lookup:
    """Gather what the groups share; recent events on unknown items (row -1) are left out."""
    known = ask.user.recent.rows >= 0
    seen = ask.user.recent.rows[known]
    age = np.maximum(ask.user.recent.age[known], 0).astype(np.float32, copy=False)
    return Lookup(
        rows=rows,
        vectors=catalogue.compact.take(rows, axis=0),
        seen=seen,
        age=age,
        weight=ask.user.recent.weight[known],
        kind=ask.user.recent.kind[known],
        young=age < HOUR_S,
    )


def track_record(ask: Ask, counts: NDArray[np.void]) -> Columns:
    """Popularity decayed to the query's time, counts, smoothed rates, and idleness."""
    kinds = counts["kinds"].astype(np.float32)
    idle = np.maximum(ask.query.now - counts["last"], 0) / DAY_MS
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
    young = ask.query.now - first_time[look.rows] < ask.query.new_days * DAY_MS
    kinds = counts["kinds"]
    unknown = (kinds[:, KIND["impression"]] < SEEN) & (kinds[:, 1:].sum(axis=1) < USED)
    return {"is_new": (young & unknown).astype(np.float32)}


def rhythm(ask: Ask, look: Lookup) -> Columns:
    """What the user buys again, and how due it is."""
    had = ask.user.bought
    found = {"bought_days": np.zeros(len(look.rows), np.float32), "due": np.zeros(len(look.rows), np.float32)}
    if len(had.rows):
        place = places(look.rows, had.rows)
        # from the last to the first: of two with one row the first counts
        own = np.flatnonzero(place >= 0)[::-1]
        where = place.take(own)
        found["bought_days"][where] = np.log1p(had.count).take(own)
        found["due"][where] = np.minimum(had.since / gaps(had), 4).take(own)
    return found


def own_history(look: Lookup) -> Columns:
    """What the user did with each candidate, of the recent events."""
    n = len(look.rows)
    place = places(look.rows, look.seen)
    hit = np.flatnonzero(place >= 0)
    where = place.take(hit)
    recency = np.zeros(n, np.float32)
    np.maximum.at(recency, where, (HOUR_S / (HOUR_S + look.age)).take(hit))

    def total(values: NDArray[np.generic]) -> Floats:
        return np.bincount(where, values.take(hit), n).astype(np.float32)

    return {
        "own_events": np.bincount(where, minlength=n).astype(np.float32),
        "own_events_hour": total(look.young),
        "own_weight": total(look.weight),
        "own_recency": recency,
        "own_purchases": total(look.kind == KIND["purchase"]),
    }


def shares(look: Lookup, catalogue: Attributes) -> Columns:
    """Share of the user's recent items in each candidate's category, department and brand (-1: none)."""
    every, young = np.float32(max(len(look.seen), 1)), np.float32(max(int(np.count_nonzero(look.young)), 1))
    mine, theirs = catalogue.category.take(look.rows), catalogue.category.take(look.seen)
    department, brand = catalogue.category_path[:, 0], catalogue.brand
    return {
        "category_share": _alike(mine, theirs) / every,
        "category_basket_share": _alike(mine, theirs[look.young]) / young,
        "department_share": _alike(department.take(look.rows), department.take(look.seen)) / every,
        "brand_share": _alike(brand.take(look.rows), brand.take(look.seen)) / every,
    }


def price(ask: Ask, look: Lookup, catalogue: Attributes) -> Columns:
    """Price, alone and beside what the user usually pays, and its discount; 0 where nothing is known."""
    prices = catalogue.price_at(ask.query.now, look.rows)
    paid = catalogue.price_at(ask.query.now, look.seen)
    paid = paid[paid > 0]
    discount = catalogue.discount_at(ask.query.now, look.rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.log(prices / _median(paid)) if len(paid) else np.zeros_like(prices)
    gap[np.isnan(gap) | (gap == -np.inf)] = 0
    np.minimum(np.maximum(gap, -5, out=gap), 5, out=gap)
    return {
        "price": np.log1p(np.nan_to_num(prices)),
        "price_to_usual": gap,
        "price_distance": np.abs(gap),
        "discount": discount,
        "promotion_hunt": discount * ask.text.intent[PROMOTION],
    }


def situation(ask: Ask, look: Lookup, first_time: NDArray[np.int64]) -> Columns:
    """The item's age, and what is the same for every candidate of the list."""
    n = len(look.rows)
    basket = len(set(look.seen[look.young].tolist()))
    words = len(ask.text.tokens) if ask.text.tokens else len(ask.text.asked.split())
    return {
        "age": np.log1p(np.maximum(ask.query.now - first_time[look.rows], 0) / DAY_MS),
        "user_events": np.full(n, np.log1p(max(ask.user.events, 0)), np.float32),
        "basket_size": np.full(n, np.log1p(basket), np.float32),
        "has_text": np.full(n, bool(ask.text.asked), np.float32),
        "text_words": np.full(n, np.log1p(words), np.float32),
    }


def _alike(mine: NDArray[np.int32], theirs: NDArray[np.int32]) -> Floats:
    """How many of ``theirs`` each of ``mine`` is, (n,); none where it is below 0, which is no code."""
    counts = np.bincount(theirs + 1, minlength=int(mine.max(initial=-1)) + 2)
    counts[0] = 0
    return counts.take(mine + 1).astype(np.float32)


def _median(values: Floats) -> np.float32:
    """As ``np.median``, in a tenth of its time; of at least one number, none NaN."""
    ranked = np.sort(values)
    half = len(ranked) // 2
    middle: np.float32 = ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / np.float32(2)
    return middle
