"""The answer of a stored impression, as `streamrank explain` and /explain give it."""

from __future__ import annotations

import msgspec


class ItemName(msgspec.Struct, frozen=True):
    """An item by its id and title."""

    item_id: str
    title: str


class RecentItem(msgspec.Struct, frozen=True):
    """What the user did, ``seconds`` before the query; ``weight``: the interest it shows."""

    item_id: str
    title: str
    kind: str
    seconds: float
    weight: float


class KnownThen(msgspec.Struct, frozen=True):
    """What was known of the user: events counted, interest vectors there or not, recent items, newest first, and
    the items whose co-visits were read.
    """

    events: int
    short_interest: bool
    long_interest: bool
    recent: list[RecentItem]
    anchors: list[ItemName]


class StoredItem(msgspec.Struct, frozen=True):
    """An item as it was shown; ``reasons`` add up to ``score``, ``features`` are those it was ranked by."""

    position: int
    item_id: str
    title: str
    score: float
    propensity: float
    reasons: dict[str, float]
    features: dict[str, float]


class LeftOut(msgspec.Struct, frozen=True):
    """The items shown, by score, had ``group`` been the same for all; ``moves``: places up (above 0) or down."""

    group: str
    order: list[str]
    moves: dict[str, int]


class StoredAnswer(msgspec.Struct, frozen=True):
    """A stored answer, explained. ``candidates``: how many each source gave, and ``all``; ``by_score``: the items
    shown, best score first, with which ``left_out`` compares; ``notes``: what to bear in mind.
    """

    request_id: str
    user_id: str
    time: int
    surface: str
    text: str
    experiment: str
    arm: str
    artifact: str
    weights_version: int
    known: KnownThen
    candidates: dict[str, int]
    items: list[StoredItem]
    by_score: list[str]
    left_out: list[LeftOut]
    notes: list[str]
