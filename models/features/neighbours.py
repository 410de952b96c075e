"""Features of co-visits: what followed the user's items, and what went with them.

As shares of all that an anchor has, as cosines between items, and as what lies above floors.
"""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Floats, Rows
from models.base.vectors import places
from models.features.base import Columns, Family, Inputs
from models.retrieval.baskets import in_hand
from models.retrieval.sentences import BESIDE, FOLLOWED

#: What a neighbour must have of all that an anchor has before it counts, by the feature's ending. Neighbours that an
#: anchor has by chance have little of it each, and over thirty anchors that adds up (decision 0020).
FLOORS: Final = {"quarter": 0.0025, "one": 0.01, "four": 0.04}


class NeighbourShares(Family):
    """Co-visits with the user's anchors: directed, alongside, and in the basket."""

    groups: ClassVar = {
        "neighbours": {
            "after_newest": "share of what followed the user's newest item that was this item",
            "after_newest_2": "the same, summed over the newest 2 items",
            "after_newest_5": "the same, summed over the newest 5 items",
            "after_strength": "decayed number of times this item followed one of the newest 5",
            "together_newest": "share of what was used within an hour of the newest item that was this item",
            "together_basket": "the same, mean over the basket (items of the last hour, or of the cart)",
            "after_basket": "share of what followed that was this item, mean over the basket",
            "basket_cosine": "cosine of the item's use within an hour with that of the basket's items, summed",
            "wide_newest": "the same per root of the item's own events, the n-th newest of the user's "
            "items counting 1 / n",
            "wide_cosine": "the same, all of the user's items counting alike",
            "wide_strength": "log of the decayed number of times this item went with one of them",
            "after_above_quarter": "what followed the newest 5, less a quarter of a hundredth of "
            "all that followed each",
            "after_above_one": "the same, less a hundredth",
            "after_above_four": "the same, less four hundredths",
            "wide_above_quarter": "what went with the user's items, less a quarter of a hundredth of "
            "all that went with each",
            "wide_above_one": "the same, less a hundredth",
            "wide_above_four": "the same, less four hundredths",
            "basket_above_quarter": "share of what went with the basket's items, less a quarter of "
            "a hundredth for each",
            "basket_above_one": "the same, less a hundredth",
            "basket_above_four": "the same, less four hundredths",
        },
    }
    sentences: ClassVar = {"neighbours": (FOLLOWED, BESIDE)}

    def columns(self, of: Inputs) -> Columns:
        """Shares, cosines, and sums of what lies above floors."""
        basket = in_hand(of.ask)
        size = np.float32(max(int(basket.sum()), 1))
        return _after(of.ask, of.rows, basket, size) | _beside(of.ask, of.rows, basket, size, of.counts)


def _after(ask: Ask, rows: Rows, basket: NDArray[np.bool_], size: np.float32) -> Columns:
    """What followed the anchors."""
    n, came, total = len(rows), ask.crowd.followers, ask.crowd.anchor_mass[:, 0]
    where, hit = _among(rows, came.rows)
    anchor, strength = came.anchor.take(hit), came.after.take(hit)
    mass = total.take(anchor)
    share = strength / np.maximum(mass, 1e-9)
    # they stand in the order of their anchors: those of the newest 1, 2 and 5 come first
    one, two, five = (slice(end) for end in np.searchsorted(anchor, (1, 2, 5)).tolist())
    in_basket = np.flatnonzero(basket.take(anchor))
    nearness = 1 / (np.sqrt(mass[five] + 1) * (1 + anchor[five]))
    return {
        "after_newest": _total(n, where[one], share[one]),
        "after_newest_2": _total(n, where[two], share[two]),
        "after_newest_5": _total(n, where[five], share[five]),
        "after_strength": np.log1p(_total(n, where[five], strength[five])),
        "after_basket": _total(n, where[in_basket], share[in_basket]) / size,
        **_above("after", n, where[five], strength[five], mass[five], nearness),
    }


def _beside(ask: Ask, rows: Rows, basket: NDArray[np.bool_], size: np.float32, counts: NDArray[np.void]) -> Columns:
    """What went with the anchors, and with those of the basket."""
    n, went = len(rows), ask.crowd.companions
    where, hit = _among(rows, went.rows)
    anchor, together, wide = went.anchor.take(hit), went.together.take(hit), went.wide.take(hit)
    mass = ask.crowd.anchor_mass.take(anchor, axis=0)
    half = 1 / np.sqrt(mass + 1)
    share = together / np.maximum(mass[:, 1], 1e-9)
    one, held = slice(int(np.searchsorted(anchor, 1))), np.flatnonzero(basket.take(anchor))
    # cosines between items (Sarwar et al., 2001), the item's half by its number of events
    own = 1 / np.sqrt(counts["kinds"][:, 1:].sum(axis=1, dtype=np.float32) + 1)
    cosine, beside = wide * half[:, 2], together * half[:, 1]
    return {
        "together_newest": _total(n, where[one], share[one]),
        "together_basket": _total(n, where[held], share[held]) / size,
        "wide_newest": _total(n, where, cosine / (1 + anchor)) * own,
        "wide_cosine": _total(n, where, cosine) * own,
        "wide_strength": np.log1p(_total(n, where, wide)),
        "basket_cosine": _total(n, where[held], beside[held]) * own,
        **_above("wide", n, where, wide, mass[:, 2], half[:, 2] / np.sqrt(1 + anchor)),
        **_above("basket", n, where[held], together[held], mass[held, 1], half[held, 1] ** 2 / size),
    }


def _above(
    name: str, n: int, where: NDArray[np.intp], strength: NDArray[np.floating], mass: NDArray[np.floating],
    weight: NDArray[np.floating],
) -> Columns:  # fmt: skip
    """Sums of ``weight`` times what ``strength`` has above each floor of ``mass``, all (m,), by candidate."""
    return {
        f"{name}_above_{floor}": _total(n, where, weight * np.maximum(strength - share * mass, 0))
        for floor, share in FLOORS.items()
    }


def _among(rows: Rows, near: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of those ``near`` that are candidates: their places among ``rows``, and where they stand."""
    place = places(rows, np.maximum(near, 0))
    hit = np.flatnonzero((place >= 0) & (near >= 0))
    return place.take(hit).astype(np.intp), hit


def _total(n: int, where: NDArray[np.intp], values: NDArray[np.floating]) -> Floats:
    """Sums of ``values`` by candidate, (n,)."""
    return np.bincount(where, values, n).astype(np.float32)
