"""Purchases: what a user bought and when, by item, for the rhythm of repurchase.

A record of its own beside the context, whose ring holds 32 events, often less than two baskets. Items are the upper 32
bits of their keys, days whole ones since 1970: 10 bytes an item, 44 items at most, only as many as there are. Folded
event by event in integers, so the bytes do not depend on how the events were cut into batches.

>>> first = fold(None, [(7 << 32, 20_000), (9 << 32, 20_000), (7 << 32, 20_007)])
>>> again = read(fold(first, [(7 << 32, 20_014)]))
>>> again["item"].tolist(), again["count"].tolist(), (again["last"] - again["first"]).tolist()
([7, 9], [3, 1], [14, 0])
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.records import BOUGHT, BOUGHT_ITEMS
from state.rows import LayoutMismatch, Rows

#: days of being bought later that weigh as much as being bought twice as often
DOUBLE_DAYS: Final = 30
_MOST: Final = 65_535
_HEAD: Final = 32
_ITEM: Final = (1 << _HEAD) - 1


def heads(items: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Items as the record names them, (n,), never 0."""
    found: NDArray[np.uint64] = np.maximum(items >> np.uint64(_HEAD), np.uint64(1))
    return found


def read(value: bytes | None) -> Rows:
    """A stored record as rows of BOUGHT, (n,). Raises LayoutMismatch when it is no whole number of them."""
    if value is None:
        return np.zeros(0, BOUGHT)
    if len(value) % BOUGHT.itemsize:
        raise LayoutMismatch(
            f"a stored record of purchases has {len(value)} bytes, expected a multiple of {BOUGHT.itemsize}: another "
            "version wrote it; serve with that version, or start on an empty Redis and replay the log"
        )
    return np.frombuffer(value, BOUGHT)


def fold(value: bytes | None, bought: Iterable[tuple[int, int]]) -> bytes:
    """Add purchases, (u64 item key, day) in order of arrival, to a stored record; purchases of one day count once.

    When there are too many items, the one goes that was bought longest ago, where being bought twice as often weighs
    as much as 30 days.
    """
    held = {item: (first, last, count) for item, first, last, count in read(value).tolist()}
    # the least worth first; an entry that an item has outgrown is passed over when it comes up
    heap = [_entry(item, known) for item, known in held.items()]
    heapify(heap)
    for key, day in bought:
        item, day = max(key >> _HEAD, 1), min(max(day, 0), _MOST)
        known = held.get(item)
        if known is None:
            held[item] = (day, day, 1)
        elif day in known[:2]:
            continue
        else:
            first, last, count = known
            held[item] = (min(first, day), max(last, day), min(count + 1, _MOST))
        heappush(heap, _entry(item, held[item]))
        while len(held) > BOUGHT_ITEMS:
            least = heappop(heap)
            item = least & _ITEM
            if item in held and _entry(item, held[item]) == least:
                del held[item]
    return np.array([(item, *known) for item, known in held.items()], BOUGHT).tobytes()


def _entry(item: int, known: tuple[int, int, int]) -> int:
    """Worth, then item, in one number."""
    _, last, count = known
    return (last + DOUBLE_DAYS * (count.bit_length() - 1)) << _HEAD | item
