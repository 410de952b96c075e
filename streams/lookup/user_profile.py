"""A user's profile, as `streamrank user` and /user give it. Times are Unix milliseconds."""

from __future__ import annotations

import msgspec


class Interest(msgspec.Struct, frozen=True):
    """A category or brand: recent ``events`` on it, and the sums of their weights, halved every hour (``short``) and
    every 30 days (``long``).
    """

    name: str
    events: int
    short: float
    long: float


class PriceRange(msgspec.Struct, frozen=True):
    """Quartiles of the prices of ``items`` recent items that the user liked."""

    items: int
    low: float
    median: float
    high: float


class Rhythm(msgspec.Struct, frozen=True):
    """An item bought on ``times`` days, ``days`` apart on average; ``due``: when the next purchase is."""

    item_id: str
    title: str
    times: int
    days: float
    due: int


class RecentEvent(msgspec.Struct, frozen=True):
    """A recent event and the interest it shows."""

    item_id: str
    title: str
    kind: str
    time: int
    weight: float


class Searches(msgspec.Struct, frozen=True):
    """The last search session: when its last search was, its texts, oldest first, and whether the next one would
    continue it.
    """

    time: int
    texts: list[str]
    continues: bool


class RankerView(msgspec.Struct, frozen=True):
    """What the ranker sees of the user: ``features`` of the situation, how many recent items it attends to, and the
    lengths of the interest vectors, decayed, in units of a behaviour's weight (cosines use their directions alone).
    """

    features: dict[str, float]
    recent_items: int
    short_interest: float
    long_interest: float


class Profile(msgspec.Struct, frozen=True):
    """A user at the time ``at``; ``events`` counted, ``newest`` of them, ``counts`` by kind.

    ``nearest_categories``: mean cosine of their items with the long interest. ``prices`` and ``searches`` are null
    where nothing is known.
    """

    user_id: str
    at: int
    events: int
    newest: int
    counts: dict[str, int]
    categories: list[Interest]
    brands: list[Interest]
    nearest_categories: dict[str, float]
    prices: PriceRange | None
    rhythm: list[Rhythm]
    recent: list[RecentEvent]
    searches: Searches | None
    experiment: str
    arm: str
    ranker: RankerView
