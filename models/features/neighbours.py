"""Features of co-visits: what followed the user's items, and what went with them.

As shares of all that an anchor has, as cosines between items, and as what lies above floors.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Floats, Rows
from models.basket import in_hand
from models.features.columns import Columns, Lookup
from models.sources.base import places

#: What a neighbour must have of all that an anchor has before it counts, by the feature's ending. Neighbours that an
#: anchor has by chance have little of it each, and over thirty anchors that adds up (decision 0020).
FLOORS: Final = {"quarter": 0.0025, "one": 0.01, "four": 0.04}


def covisits(ask: Ask, look: Lookup, counts: NDArray[np.void]) -> Columns:
    """Co-visits with the user's anchors: directed and in the basket as shares of each anchor's total; as cosines; and
    what of them lies above floors.
    """
    n = len(look.rows)
    mass = np.maximum(ask.anchor_mass, 1e-9)
    half = 1 / np.sqrt(ask.anchor_mass + 1)
    basket = in_hand(ask)
    size = np.float32(max(int(basket.sum()), 1))
    came, went = ask.followers, ask.neighbours

    where, hit = _among(look.rows, came.rows)
    anchor, strength = came.anchor.take(hit), came.after.take(hit)
    after = strength / mass[:, 0].take(anchor)
    # they stand in the order of their anchors: those of the newest 1, 2 and 5 come first
    one, two, five = (slice(end) for end in np.searchsorted(anchor, (1, 2, 5)).tolist())
    in_basket = np.flatnonzero(basket.take(anchor))
    found = {
        "after_newest": _total(n, where[one], after[one]),
        "after_newest_2": _total(n, where[two], after[two]),
        "after_newest_5": _total(n, where[five], after[five]),
        "after_strength": np.log1p(_total(n, where[five], strength[five])),
        "after_basket": _total(n, where[in_basket], after[in_basket]) / size,
    }
    anchor = anchor[five]
    nearness = half[:, 0].take(anchor) / (1 + anchor)
    found |= _above("after", n, where[five], strength[five], mass[:, 0].take(anchor), nearness)

    where, hit = _among(look.rows, went.rows)
    anchor, together, wide = went.anchor.take(hit), went.together.take(hit), went.wide.take(hit)
    share = together / mass[:, 1].take(anchor)
    one, in_basket = slice(int(np.searchsorted(anchor, 1))), np.flatnonzero(basket.take(anchor))
    # cosines between items (Sarwar et al., 2001), the item's half by its number of events
    own = 1 / np.sqrt(counts["kinds"][:, 1:].sum(axis=1, dtype=np.float32) + 1)
    cosine, beside = wide * half[:, 2].take(anchor), together * half[:, 1].take(anchor)
    found |= _above("wide", n, where, wide, mass[:, 2].take(anchor), half[:, 2].take(anchor) / np.sqrt(1 + anchor))
    held = anchor.take(in_basket)
    found |= _above(
        "basket", n, where[in_basket], together[in_basket], mass[:, 1].take(held), half[:, 1].take(held) ** 2 / size
    )
    return found | {
        "together_newest": _total(n, where[one], share[one]),
        "together_basket": _total(n, where[in_basket], share[in_basket]) / size,
        "wide_newest": _total(n, where, cosine / (1 + anchor)) * own,
        "wide_cosine": _total(n, where, cosine) * own,
        "wide_strength": np.log1p(_total(n, where, wide)),
        "basket_cosine": _total(n, where[in_basket], beside[in_basket]) * own,
    }


def _above(
    name: str,
    n: int,
    where: NDArray[np.intp],
    strength: NDArray[np.floating],
    mass: NDArray[np.floating],
    weight: NDArray[np.floating],
) -> Columns:
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
