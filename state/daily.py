"""How often a user did the same on an item today, so that nobody makes an item popular alone.

What a user did last is in the ring of the context; what leaves the ring on the day on which it happened is counted in
a record of its own, which only users of more than 32 events a day have. Its cells are chosen by a hash of item and
kind, so two pairs may share one: then less counts, never more, and a user adds at most the limit times the cells a day.
Folded event by event, so the bytes do not depend on how the events were cut into batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from state.contexts import EventColumns
from state.records import DAILY, DAILY_CELLS, RING
from state.rows import Records
from streamrank_client.vocabulary import DAY_MS, DAY_S

#: so many times the limit of one thing in a day is done by a program
PROGRAM: Final = 10
_MOST: Final = 255
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


def read(values: Sequence[bytes | None]) -> Records:
    """Stored records as writable rows of DAILY, new ones for None."""
    blank = bytes(DAILY.itemsize)
    return np.frombuffer(bytearray(b"".join([blank if value is None else value for value in values])), DAILY)


def merged(stored: bytes | None, other: bytes | None) -> bytes | None:
    """A stored record with what another user did that day: of the later day, of both where it is the same."""
    if stored is None or other is None:
        return stored or other
    one, two = read([stored]), read([other])
    if one["day"][0] != two["day"][0]:
        return stored if one["day"][0] > two["day"][0] else other
    one["count"] = np.minimum(one["count"].astype(np.int64) + two["count"], _MOST)
    return one.tobytes()


def counted(contexts: Records, daily: Records, events: EventColumns, limit: int) -> NDArray[np.int8]:
    """For each of a batch's events, (n,): 1 where it is among its user's first ``limit`` of its kind on the item and
    day, 0 where it is not, and -1 where it is the ``limit * PROGRAM``-th: no shopper does that, and those that were
    counted are to be taken back.

    ``contexts``: as they were before the batch, which stay; ``daily``: the records of the same users, changed in place.
    """
    found = np.ones(len(events.user), np.int8)
    if len(found):
        ring = np.ascontiguousarray(contexts["item"]), contexts["kind"].copy()
        _count(
            found,
            (contexts["events"].astype(np.int64), contexts["at"].astype(np.int64) // DAY_S, _pairs(*ring)),
            (daily["day"], daily["count"]),
            (np.ascontiguousarray(events.user), np.ascontiguousarray(events.time) // DAY_MS),
            _pairs(events.item, events.kind),
            limit,
        )
    return found


def _pairs(item: NDArray[np.uint64], kind: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A key of each item with a kind, of any shape."""
    mixed: NDArray[np.uint64] = (item ^ (kind.astype(np.uint64) + np.uint64(1)) * _SPREAD) >> np.uint64(16)
    return mixed


@compiled
def _count(
    found: NDArray[np.int8],
    ring: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]],
    daily: tuple[NDArray[np.uint16], NDArray[np.uint8]],
    event: tuple[NDArray[np.intp], NDArray[np.int64]],
    pair: NDArray[np.uint64],
    limit: int,
) -> None:
    """``ring``: how many events each user has had, and days and pairs of the last, which move on event by event;
    ``daily``: day and cells of each user; ``event``: each one's user and day.
    """
    number, days, pairs = ring
    newest, cells = daily
    user, day = event
    for n in range(len(user)):
        who, today = user[n], day[n]
        before = 0
        for slot in range(min(number[who], RING)):
            if pairs[who, slot] == pair[n] and days[who, slot] == today:
                before += 1
        if newest[who] == today:
            before += cells[who, pair[n] % np.uint64(DAILY_CELLS)]
        found[n] = 1 if before < limit else -1 if before + 1 == limit * PROGRAM else 0
        slot = number[who] % RING
        left = days[who, slot]
        if number[who] >= RING and left >= today:
            if left > newest[who]:
                newest[who] = left
                cells[who, :] = 0
            if left == newest[who]:
                cell = pairs[who, slot] % np.uint64(DAILY_CELLS)
                cells[who, cell] = min(cells[who, cell] + 1, _MOST)
        days[who, slot], pairs[who, slot] = today, pair[n]
        number[who] += 1
