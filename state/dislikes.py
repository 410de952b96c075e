"""Dislikes: what a user does not want to see, until it is put in a basket or bought again.

A record of its own beside the context, whose ring holds 32 events: 24 bytes an item, 128 items at most, only as many as
there are. Folded event by event, so the bytes do not depend on how the events were cut into batches.

>>> items, times = np.array([7, 9, 7], np.uint64), np.array([1_000, 2_000, 3_000])
>>> stored = fold([None], np.zeros(3, np.intp), items, times, np.array([True, True, False]))
>>> active(stored[0], 4_000, 10_000).tolist(), active(stored[0], 90_000, 10_000).tolist()
([9], [])
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from state.records import DISLIKED, DISLIKED_ITEMS
from state.rows import Records


def active(value: bytes | None, now: int, lasts_ms: float) -> NDArray[np.uint64]:
    """Keys of the items in a stored record that are not wanted at ``now``, (n,): disliked at most ``lasts_ms`` ago."""
    rows = np.zeros(0, DISLIKED) if value is None else np.frombuffer(value, DISLIKED)
    return rows["item"][(rows["at"] > rows["ended"]) & (now - rows["at"] <= lasts_ms)]


def fold(
    values: Sequence[bytes | None],
    who: NDArray[np.intp],
    items: NDArray[np.uint64],
    times: NDArray[np.int64],
    dislike: NDArray[np.bool_],
) -> list[bytes]:
    """Add events to stored records, in their order: user ``who[i]`` of ``values`` disliked ``items[i]``, or else put it
    in a basket or bought it, at ``times[i]``. When a user has too many items, the one goes that was disliked first.
    """
    stored = [np.frombuffer(value or b"", DISLIKED) for value in values]
    sizes = np.array(list(map(len, stored)), np.intp)
    # room for one more than is kept
    table = np.zeros((len(values), DISLIKED_ITEMS + 1), DISLIKED)
    for own, rows in zip(table, stored, strict=True):
        own[: len(rows)] = rows
    _add(table, sizes, np.ascontiguousarray(who), np.ascontiguousarray(items), np.ascontiguousarray(times), dislike)
    return [own[:size].tobytes() for own, size in zip(table, sizes.tolist(), strict=True)]


def merged(stored: bytes | None, other: bytes | None) -> bytes | None:
    """A stored record with what another user disliked, and what ended that; None for neither.

    >>> items, times = np.array([7, 9], np.uint64), np.array([1_000, 2_000])
    >>> one, two = fold([None, None], np.array([0, 1]), items, times, np.array([True, True]))
    >>> active(merged(one, two), 3_000, 10_000).tolist(), merged(None, two) == two
    ([7, 9], True)
    """
    rows = np.frombuffer(other or b"", DISLIKED)
    if stored is None or not len(rows):
        return other if stored is None else stored
    ended = rows[rows["ended"] > 0]
    items, times = np.r_[rows["item"], ended["item"]], np.r_[rows["at"], ended["ended"]]
    dislike = np.arange(len(items)) < len(rows)
    return fold([stored], np.zeros(len(items), np.intp), items, times, dislike)[0]


def ended_by(stored: bytes | None, items: NDArray[np.uint64], times: NDArray[np.int64]) -> bytes | None:
    """A stored record after what somebody else put in a basket or bought at these times: it ends what was disliked
    before.

    >>> one = fold([None], np.zeros(1, np.intp), np.array([7], np.uint64), np.array([2_000]), np.array([True]))[0]
    >>> [active(ended_by(one, np.array([7], np.uint64), np.array([t])), 9_000, 1e9).tolist() for t in (1_000, 3_000)]
    [[7], []]
    """
    if stored is None:
        return None
    rows = np.frombuffer(bytearray(stored), DISLIKED) if stored else np.zeros(0, DISLIKED)
    for row in rows:
        later = times[(items == row["item"]) & (times >= row["at"])]
        row["ended"] = max(row["ended"], later.max(initial=0))
    return rows.tobytes()


@compiled
def _add(
    table: Records,
    sizes: NDArray[np.intp],
    who: NDArray[np.intp],
    items: NDArray[np.uint64],
    times: NDArray[np.int64],
    dislike: NDArray[np.bool_],
) -> None:
    """Add events one by one; ``sizes``: how many items each user has."""
    for event in range(len(who)):
        user, time = who[event], times[event]
        own, held, slot = table[user], sizes[user], 0
        while slot < held and own[slot]["item"] != items[event]:
            slot += 1
        if not dislike[event]:
            if slot < held:
                own[slot]["ended"] = max(own[slot]["ended"], time)
            continue
        if slot == held:
            own[slot]["item"], own[slot]["at"], own[slot]["ended"] = items[event], time, 0
            held += 1
        else:
            own[slot]["at"] = max(own[slot]["at"], time)
        if held > DISLIKED_ITEMS:
            first = 0
            for other in range(1, held):
                if own[other]["at"] < own[first]["at"]:
                    first = other
            held -= 1
            for place in range(first, held):
                own[place] = own[place + 1]
        sizes[user] = held
