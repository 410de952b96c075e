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

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

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
    as much as 30 days. ``fold_all`` does the same for many users.
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


class _Lots(NamedTuple):
    """What each of many users holds of each item, in order of user, then item; nothing dropped yet.

    ``place``: where it came first, in all that was stored and then bought; ``days``: first and last; ``times``: on how
    many days; ``before``: the last day and ``times`` as they were at its place.
    """

    user: NDArray[np.intp]
    item: NDArray[np.uint64]
    place: NDArray[np.intp]
    days: tuple[NDArray[np.int64], NDArray[np.int64]]
    times: NDArray[np.int64]
    before: tuple[NDArray[np.int64], NDArray[np.int64]]


def fold_all(
    values: Sequence[bytes | None], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> list[bytes]:
    """``fold`` for many users at once: user ``who[i]`` of ``values`` bought ``items[i]`` on ``days[i]``.

    In whole arrays, as long as each user's days come in order and none of what is dropped was needed once more; what
    remains is folded user by user. Raises LayoutMismatch as ``read`` does.

    >>> keys, days = np.array([7 << 32, 7 << 32, 9 << 32], np.uint64), np.array([20_000, 20_007, 20_007])
    >>> some = fold_all([None, None], np.array([0, 0, 1]), keys, days)
    >>> some == [fold(None, [(7 << 32, 20_000), (7 << 32, 20_007)]), fold(None, [(9 << 32, 20_007)])]
    True
    """
    if not len(who):
        return [value or b"" for value in values]
    lots, late = _lots(values, who, heads(items), np.clip(days, 0, _MOST))
    kept, again = _worth_most(lots, len(values))
    chosen = kept.take(_ranked(lots.user.take(kept), lots.place.take(kept)))
    table = np.empty(len(chosen), BOUGHT)
    for name, column in zip(table.dtype.names or (), (lots.item, *lots.days, lots.times), strict=True):
        table[name] = column.take(chosen)
    data = table.tobytes()
    ends = (np.cumsum(np.bincount(lots.user.take(kept), minlength=len(values))) * BOUGHT.itemsize).tolist()
    found = [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    for user in sorted({*late.tolist(), *again.tolist()}):
        own = np.flatnonzero(who == user)
        found[user] = fold(values[user], zip(items[own].tolist(), days[own].tolist(), strict=True))
    return found


def _lots(
    values: Sequence[bytes | None], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> tuple[_Lots, NDArray[np.intp]]:
    """All lots, and the users to whom a day came late."""
    stored = [value or b"" for value in values]
    sizes = list(map(len, stored))
    for value in (v for v, size in zip(stored, sizes, strict=True) if size % BOUGHT.itemsize):
        read(value)
    held = np.frombuffer(b"".join(stored), BOUGHT)
    user = np.concatenate([np.repeat(np.arange(len(values)), np.array(sizes) // BOUGHT.itemsize), who])
    item = np.concatenate([held["item"].astype(np.uint64), items])
    day = np.concatenate([held["last"].astype(np.int64), days])
    count = np.concatenate([held["count"].astype(np.int64), np.ones(len(who), np.int64)])
    order = _ranked(user, item)
    user, item, day, count = user.take(order), item.take(order), day.take(order), count.take(order)
    follows = np.zeros(len(order), np.bool_)
    np.logical_and(user[1:] == user[:-1], item[1:] == item[:-1], out=follows[1:])
    earlier = np.zeros(len(order), np.int64)
    earlier[1:] = day[:-1]
    starts, ends = np.flatnonzero(~follows), np.flatnonzero(~np.append(follows[1:], False))
    changes = np.cumsum(follows & (day != earlier))
    place, begun = order.take(starts), (day.take(starts), count.take(starts))
    total = np.minimum(begun[1] + changes.take(ends) - changes.take(starts), _MOST)
    first = begun[0].copy()
    old = np.flatnonzero(place < len(held))
    first[old] = held["first"].take(place.take(old))
    lots = _Lots(user.take(starts), item.take(starts), place, (first, day.take(ends)), total, begun)
    return lots, np.unique(user.take(np.flatnonzero(follows & (day < earlier))))


def _ranked(user: NDArray[np.intp], by: NDArray[np.integer]) -> NDArray[np.intp]:
    """Stable order by user, then ``by`` (below 2 ** 32): one sort of words that hold the place too, if they can."""
    low = len(user).bit_length()
    if len(user) and low + _HEAD + int(user.max()).bit_length() > 64:
        return np.lexsort((by, user))
    word = user.astype(np.uint64) << np.uint64(_HEAD) | by.astype(np.uint64)
    word = word << np.uint64(low) | np.arange(len(user), dtype=np.uint64)
    word.sort()
    return (word & np.uint64((1 << low) - 1)).view(np.intp)


def _worth_most(lots: _Lots, users: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The lots that stay, and the users of whom one that stays was worth less once than one that goes.

    All others drop the same lots purchase by purchase: a lot's worth never falls, and whenever there is one too many,
    one of those that go is held, and worth less than all that stay.
    """
    excess = np.bincount(lots.user, minlength=users) - BOUGHT_ITEMS
    if not len(lots.user) or excess.max() <= 0:
        return np.arange(len(lots.user)), np.zeros(0, np.intp)
    worth = _worth(lots.days[1], lots.times, lots.item)
    order = np.lexsort((worth, lots.user))
    size = excess + BOUGHT_ITEMS
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    goes = rank < excess.take(lots.user)
    most = np.zeros(users, np.uint64)
    last = np.flatnonzero(rank == (excess - 1).take(lots.user))
    most[lots.user.take(last)] = worth.take(last)
    kept = np.flatnonzero(~goes)
    once = _worth(*lots.before, lots.item).take(kept)
    user = lots.user.take(kept)
    return kept, np.unique(user[once < most.take(user)])


def _worth(last: NDArray[np.int64], count: NDArray[np.int64], item: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """``_entry`` of many."""
    _, bits = np.frexp(count)
    worth: NDArray[np.uint64] = (last + DOUBLE_DAYS * (bits - 1)).astype(np.uint64) << np.uint64(_HEAD) | item
    return worth
