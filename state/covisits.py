"""Co-visits: for each item, what followed it and what went with it in users' histories, in two lists.

Followers, by ``after``: among a user's next five items. Neighbours, by ``wide``: within ten events, either way, or
within an hour; ``together``, within an hour, comes along. All halve in five years: what is popular at the moment other
sources tell, and shorter half-lives lost on every log (docs/decisions/0016-neighbours.md, 0018-whole-baskets.md). One
list for all three lost what follows, in baskets of thirty that go with each other (0019-followers.md).

Which items stay: a list is filled first come, first served. From then on a newcomer takes its weight from that of the
lightest item, and its place once nothing is left of it (Misra and Gries, "Finding repeated elements", 1982, with one
counter in place of all). So what is added to a list is weighed in the order in which it comes, and how it is cut into
batches does not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state import sketch
from state.compiled import compiled
from state.records import COVISIT, FOLLOWERS, NEIGHBOURS
from state.rows import Records, heads
from state.sketch import Items

HALF_LIFE_DAYS: Final = 5 * 365.0
LANDMARK: Final = sketch.LANDMARK

Floats = NDArray[np.float32]
Heads = NDArray[np.uint32]


class Decayed(NamedTuple):
    """Co-visit rows at one moment, R rows; a slot with head 0 is empty.

    ``follower`` (R, FOLLOWERS) with ``after``, ``neighbour`` (R, NEIGHBOURS) with ``together`` and ``wide``: what was
    added since the item entered its list; ``mass`` (R, 3): all that was ever added to the row, of the three.
    """

    follower: Heads
    after: Floats
    neighbour: Heads
    together: Floats
    wide: Floats
    mass: Floats


def fold(
    rows: Records,
    row: NDArray[np.intp],
    item: Items,
    after: NDArray[np.floating],
    together: NDArray[np.floating],
    wide: NDArray[np.floating],
    time: NDArray[np.uint32],
) -> None:
    """Add neighbours to COVISIT ``rows`` (R,), in place and in order.

    Delta d says that the item of key ``item[d]`` is a neighbour of that of ``rows[row[d]]``, seen at ``time[d]`` (Unix
    seconds), with the weights ``after[d]``, ``together[d]`` and ``wide[d]``, finite and not negative; no follower
    where ``after[d]`` is 0.

    >>> from state.records import COVISIT
    >>> rows = np.zeros(1, COVISIT)
    >>> day = np.array([LANDMARK], np.uint32)
    >>> first, seven = np.array([0]), np.array([7 << 32], np.uint64)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0.5]), np.float32([1]), day)
    >>> fold(rows, first, seven, np.float32([1]), np.float32([0]), np.float32([1]), day + 1825 * 86400)
    >>> rows["follower"][0, 0], rows["after"][0, 0], rows["together"][0, 0]
    (np.uint32(7), np.float32(3.0), np.float32(0.5))
    """
    if not len(row):
        return
    growth = sketch.growth(time, HALF_LIFE_DAYS)
    weights = np.empty((3, len(row)))
    for column, given in zip(weights, (after, together, wide), strict=True):
        np.multiply(given, growth, out=column)
    for number, column in enumerate(weights):
        rows["mass"][:, number] += np.bincount(row, column, minlength=len(rows))
    words: Heads = rows.view(np.uint32).reshape(len(rows), -1)
    singles: Floats = rows.view(np.float32).reshape(len(rows), -1)
    # of one type each, or it would be compiled again for another
    row, head, weights = np.ascontiguousarray(row), heads(item).astype(np.uint32), weights.astype(np.float32)
    came = np.flatnonzero(weights[0])
    _add_follower(words, singles, row.take(came), head.take(came), weights[0].take(came), None)
    _add_neighbour(words, singles, row, head, weights[2], weights[1])


def _adder(slots: int, items: str, weights: str, along: str | None = None) -> Callable[..., None]:
    """The loop that adds to one list, compiled for its very size: it runs up to three times as fast for that.

    ``items`` and ``weights``: fields of COVISIT; ``along``: one that follows the item without a say in which stays.
    """
    at, leads, follows = _place(items), _place(weights), 0 if along is None else _place(along)

    @compiled
    def add(
        words: Heads, singles: Floats, row: NDArray[np.intp], head: Heads, weight: Floats, more: Floats | None
    ) -> None:
        """Add deltas one by one; ``words`` and ``singles`` are the rows' bytes as u32 and as f32, a row each.

        Most deltas bring what a full list does not hold. So whole lists are looked through without a way out, which
        takes few instructions of the processor; and weights, never negative, are compared by their bits, whose order
        is the same.
        """
        for d in range(len(row)):
            held = words[row[d], at : at + slots]
            light = words[row[d], leads : leads + slots]
            own, new = singles[row[d]], head[d]
            there = False
            for place in range(slots):
                there |= held[place] == new
            slot = 0
            if there or held[slots - 1] == 0:
                while held[slot] != new and held[slot] != 0:
                    slot += 1
            else:
                least = light[0]
                for place in range(slots):
                    least = min(least, light[place])
                slot = slots
                for place in range(slots):
                    slot = min(slot, place if light[place] == least else slots)
                if own[leads + slot] > weight[d]:
                    own[leads + slot] -= weight[d]
                    continue
                own[leads + slot] = 0.0
                if more is not None:
                    own[follows + slot] = 0.0
            held[slot] = new
            own[leads + slot] += weight[d]
            if more is not None:
                own[follows + slot] += more[d]

    return add


def _place(name: str) -> int:
    """Where a field of COVISIT begins, in words of four bytes."""
    fields = COVISIT.fields
    assert fields is not None
    return fields[name][1] // 4


_add_follower: Final = _adder(FOLLOWERS, "follower", "after")
_add_neighbour: Final = _adder(NEIGHBOURS, "neighbour", "wide", "together")


def decayed(rows: Records, now_seconds: float) -> Decayed:
    """COVISIT rows (R,) brought to ``now_seconds``: what was added then counts 1, five years earlier a half."""
    scale = 1 / sketch.growth(now_seconds, HALF_LIFE_DAYS)
    after, together, wide = (rows[name] * np.float32(scale) for name in ("after", "together", "wide"))
    mass = (rows["mass"] * scale).astype(np.float32)
    return Decayed(rows["follower"], after, rows["neighbour"], together, wide, mass)
