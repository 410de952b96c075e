"""Purchases: what a user bought and when, by item, for the rhythm of repurchase.

A record of its own beside the context, whose ring holds 32 events, often less than two baskets. Items are the upper 32
bits of their keys, days whole ones since 1970: 10 bytes an item, 44 items at most, only as many as there are. Folded
event by event in integers, so the bytes do not depend on how the events were cut into batches.

>>> items, days = np.array([7 << 32, 9 << 32, 7 << 32], np.uint64), np.array([20_000, 20_000, 20_007])
>>> first = fold([None], np.zeros(3, np.intp), items, days)
>>> again = read(fold(first, np.zeros(1, np.intp), items[:1], np.array([20_014]))[0])
>>> again["item"].tolist(), again["count"].tolist(), (again["last"] - again["first"]).tolist()
([7, 9], [3, 1], [14, 0])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from state.records import BOUGHT, BOUGHT_ITEMS
from state.rows import Records, heads

#: days of being bought later that weigh as much as being bought twice as often
DOUBLE_DAYS: Final = 30
_MOST: Final = 65_535


def read(value: bytes | None) -> Records:
    """A stored record as rows of BOUGHT, (n,)."""
    return np.zeros(0, BOUGHT) if value is None else np.frombuffer(value, BOUGHT)


def fold(
    values: Sequence[bytes | None], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> list[bytes]:
    """Add purchases to stored records: user ``who[i]`` of ``values`` bought ``items[i]`` on ``days[i]``, in that order.

    Purchases of one day count once. When a user has too many items, the one goes that was bought longest ago, where
    being bought twice as often weighs as much as 30 days.
    """
    stored = [read(value) for value in values]
    sizes = np.array(list(map(len, stored)), np.intp)
    # room for one more than is kept
    table = np.zeros((len(values), BOUGHT_ITEMS + 1), BOUGHT)
    if sizes.any():
        table[np.arange(BOUGHT_ITEMS + 1) < sizes[:, np.newaxis]] = np.concatenate(stored)
    _add(table, sizes, np.ascontiguousarray(who), heads(items), np.clip(days, 0, _MOST))
    return [own[:size].tobytes() for own, size in zip(table, sizes.tolist(), strict=True)]


def merged(stored: bytes | None, other: bytes | None) -> bytes | None:
    """A stored record with what another user bought, None for neither. Days on which both bought an item count once
    where they are the first or the last of both.

    >>> items, days = np.array([7 << 32, 7 << 32], np.uint64), np.array([20_000, 20_007])
    >>> one, two = fold([None, None], np.array([0, 1]), items, days)
    >>> read(merged(one, two)).tolist(), merged(one, None) == one
    ([(7, 20000, 20007, 2)], True)
    """
    rows = read(other)
    if stored is None or not len(rows):
        return other if stored is None else stored
    items = np.repeat(rows["item"].astype(np.uint64) << np.uint64(32), 2)
    days = np.stack((rows["first"], rows["last"]), axis=1).astype(np.int64).ravel()
    (value,) = fold([stored], np.zeros(len(days), np.intp), items, days)
    found = np.frombuffer(bytearray(value), BOUGHT)
    between = dict(zip(rows["item"].tolist(), rows["count"] - 1 - (rows["first"] != rows["last"]), strict=True))
    for row in found:
        row["count"] = min(int(row["count"]) + int(between.get(int(row["item"]), 0)), _MOST)
    return found.tobytes()


@compiled
def _add(
    table: Records, sizes: NDArray[np.intp], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> None:
    """Add purchases one by one; ``sizes``: how many items each user has."""
    for event in range(len(who)):
        user, day = who[event], days[event]
        own, held, slot = table[user], sizes[user], 0
        while slot < held and own[slot]["item"] != items[event]:
            slot += 1
        known = own[slot]
        if slot == held:
            known["item"], known["first"], known["last"], known["count"] = items[event], day, day, 1
            held += 1
        elif day not in (known["first"], known["last"]):
            known["first"], known["last"] = min(known["first"], day), max(known["last"], day)
            known["count"] = min(known["count"] + 1, _MOST)
        if held > BOUGHT_ITEMS:
            least, goes = np.int64(0), 0
            for slot in range(held):
                worth = np.int64(own[slot]["last"])
                count = own[slot]["count"]
                while count > 1:
                    worth, count = worth + DOUBLE_DAYS, count >> 1
                # the item decides among equals
                worth = worth << 32 | np.int64(own[slot]["item"])
                if slot == 0 or worth < least:
                    least, goes = worth, slot
            held -= 1
            for slot in range(goes, held):
                own[slot] = own[slot + 1]
        sizes[user] = held
