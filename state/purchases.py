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
    stored = read(value)
    # the least worth first; an entry that an item has outgrown is passed over when it comes up
    heap = _worth(stored["last"].astype(np.int64), stored["count"].astype(np.int64), stored["item"]).tolist()
    held = {known[0]: (*known, entry) for known, entry in zip(stored.tolist(), heap, strict=True)}
    heapify(heap)
    for key, day in bought:
        item, day = key >> _HEAD or 1, min(max(day, 0), _MOST)
        known = held.get(item)
        if known is None:
            entry = day << _HEAD | item
            held[item] = (item, day, day, 1, entry)
        else:
            _, first, last, count, _ = known
            if day in (first, last):
                continue
            last, count = max(last, day), min(count + 1, _MOST)
            entry = (last + DOUBLE_DAYS * (count.bit_length() - 1)) << _HEAD | item
            held[item] = (item, min(first, day), last, count, entry)
        heappush(heap, entry)
        while len(held) > BOUGHT_ITEMS:
            least = heappop(heap)
            known = held.get(least & _ITEM)
            if known is not None and known[-1] == least:
                del held[least & _ITEM]
    return np.array([known[:-1] for known in held.values()], BOUGHT).tobytes()


class _Lots(NamedTuple):
    """What each of many users holds of each item, in order of user, then item; nothing dropped yet.

    ``place``: where it came first, in all that was stored and then bought; ``days``: first and last; ``times``: on how
    many days.
    """

    user: NDArray[np.intp]
    item: NDArray[np.uint64]
    place: NDArray[np.intp]
    days: tuple[NDArray[np.int64], NDArray[np.int64]]
    times: NDArray[np.int64]


def fold_all(
    values: Sequence[bytes | None], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> list[bytes]:
    """``fold`` for many users at once: user ``who[i]`` of ``values`` bought ``items[i]`` on ``days[i]``.

    In whole arrays, as long as each user's days come in order and nothing is bought again after it was dropped; what
    remains is folded user by user. Raises LayoutMismatch as ``read`` does.

    >>> keys, days = np.array([7 << 32, 7 << 32, 9 << 32], np.uint64), np.array([20_000, 20_007, 20_007])
    >>> some = fold_all([None, None], np.array([0, 0, 1]), keys, days)
    >>> some == [fold(None, [(7 << 32, 20_000), (7 << 32, 20_007)]), fold(None, [(9 << 32, 20_007)])]
    True
    """
    if not len(who):
        return [value or b"" for value in values]
    held, sizes = _joined(values)
    lots, single = _lots(held, sizes, who, heads(items), np.clip(days, 0, _MOST))
    kept = _worth_most(lots, len(values))
    chosen = kept.take(_ranked(lots.user.take(kept), lots.place.take(kept)))
    table = np.empty(len(chosen), BOUGHT)
    for name, column in zip(table.dtype.names or (), (lots.item, *lots.days, lots.times), strict=True):
        table[name] = column.take(chosen)
    data = table.tobytes()
    ends = (np.cumsum(np.bincount(lots.user.take(kept), minlength=len(values))) * BOUGHT.itemsize).tolist()
    found = [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    for user in np.flatnonzero(single).tolist():
        own = np.flatnonzero(who == user)
        found[user] = fold(values[user], zip(items[own].tolist(), days[own].tolist(), strict=True))
    return found


def _joined(values: Sequence[bytes | None]) -> tuple[Rows, NDArray[np.intp]]:
    """All stored lots, and how many each user has."""
    stored = [value or b"" for value in values]
    sizes = list(map(len, stored))
    for value in (v for v, size in zip(stored, sizes, strict=True) if size % BOUGHT.itemsize):
        read(value)
    return np.frombuffer(b"".join(stored), BOUGHT), np.array(sizes, np.intp) // BOUGHT.itemsize


def _lots(
    held: Rows, sizes: NDArray[np.intp], who: NDArray[np.intp], items: NDArray[np.uint64], days: NDArray[np.int64]
) -> tuple[_Lots, NDArray[np.bool_]]:
    """All lots, and which users must be folded one by one."""
    user = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), who])
    item = np.concatenate([held["item"].astype(np.uint64), items])
    day = np.concatenate([held["last"].astype(np.int64), days])
    times = np.concatenate([held["count"].astype(np.int64), np.ones(len(who), np.int64)])
    order = _ranked(user, item)
    user, item, day, times = user.take(order), item.take(order), day.take(order), times.take(order)
    again = np.zeros(len(order), np.bool_)
    np.logical_and(user[1:] == user[:-1], item[1:] == item[:-1], out=again[1:])
    change = np.zeros(len(order), np.int64)
    np.subtract(day[1:], day[:-1], out=change[1:])
    starts, ends = np.flatnonzero(~again), np.flatnonzero(~np.append(again[1:], False))
    changes = np.cumsum(again & (change != 0))
    times = np.repeat(times.take(starts) - changes.take(starts), ends - starts + 1) + changes
    np.minimum(times, _MOST, out=times)
    place, first = order.take(starts), day.take(starts)
    old = np.flatnonzero(place < len(held))
    first[old] = held["first"].take(place.take(old))
    single = _bought_after_dropped(sizes, who, order, again, user, _worth(day, times, item))
    single[user.take(np.flatnonzero(again & (change < 0)))] = True
    return _Lots(user.take(starts), item.take(starts), place, (first, day.take(ends)), times.take(ends)), single


def _bought_after_dropped(
    sizes: NDArray[np.intp],
    who: NDArray[np.intp],
    order: NDArray[np.intp],
    again: NDArray[np.bool_],
    user: NDArray[np.intp],
    worth: NDArray[np.uint64],
) -> NDArray[np.bool_]:
    """Which users may have bought something again after it was dropped, where the days come in order.

    ``order``, ``again``, ``user`` and ``worth`` (after it) of all that was held and then bought, by user and item.
    Until an item is bought again, at most so many are dropped as there are new ones too many; it is still there if
    as many are worth less and not bought again before it either.
    """
    held, many = int(sizes.sum()), len(order)
    bought = np.full(many + 1, many)
    bought[order[:-1]] = np.where(again[1:], order[1:], many)
    before = np.empty(many, np.uint64)
    before[order] = worth
    new = np.zeros(len(who), np.intp)
    new[order.take(np.flatnonzero(~again & (order >= held))) - held] = 1
    by_user = _ranked(who, np.arange(len(who)))
    earlier = np.empty(len(who), np.intp)
    earlier[by_user] = np.cumsum(new.take(by_user)) - new.take(by_user)
    added = np.bincount(who, new, len(sizes)).astype(np.intp)
    earlier += (sizes - BOUGHT_ITEMS - (np.cumsum(added) - added)).take(who)
    found = np.zeros(len(sizes), np.bool_)
    back = np.flatnonzero(again)
    back = back.take(np.flatnonzero(earlier.take(order.take(back) - held) > 0))
    if len(back):
        own, at = user.take(back), order.take(back)
        slot = np.arange(sizes.max())
        rows = np.minimum((np.cumsum(sizes) - sizes).take(own)[:, np.newaxis] + slot, many - 1)
        lighter = before.take(rows) < worth.take(back - 1)[:, np.newaxis]
        lighter &= (bought.take(rows) > at[:, np.newaxis]) & (slot < sizes.take(own)[:, np.newaxis])
        found[own[np.count_nonzero(lighter, axis=1) < earlier.take(at - held)]] = True
    return found


def _ranked(user: NDArray[np.intp], by: NDArray[np.integer]) -> NDArray[np.intp]:
    """Stable order by user, then ``by`` (below 2 ** 32): one sort of words that hold the place too, if they can."""
    low = len(user).bit_length()
    if len(user) and low + _HEAD + int(user.max()).bit_length() > 64:
        return np.lexsort((by, user))
    word = user.astype(np.uint64) << np.uint64(_HEAD) | by.astype(np.uint64)
    word = word << np.uint64(low) | np.arange(len(user), dtype=np.uint64)
    word.sort()
    return (word & np.uint64((1 << low) - 1)).view(np.intp)


def _worth_most(lots: _Lots, users: int) -> NDArray[np.intp]:
    """The lots that stay: those that are worth most in the end.

    Purchase by purchase it is the same ones, if nothing is bought again after it was dropped: a lot's worth never
    falls, so what was dropped is worth less than all that is held, then and later.
    """
    excess = np.bincount(lots.user, minlength=users) - BOUGHT_ITEMS
    over = np.flatnonzero((excess > 0).take(lots.user))
    goes = np.zeros(len(lots.user), np.bool_)
    if len(over):
        user = lots.user.take(over)
        order = np.lexsort((_worth(lots.days[1].take(over), lots.times.take(over), lots.item.take(over)), user))
        sizes = np.bincount(user, minlength=users)
        rank = np.arange(len(over)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        goes[over.take(order)] = rank < excess.take(user)
    return np.flatnonzero(~goes)


def _worth(last: NDArray[np.int64], count: NDArray[np.int64], item: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What lots are worth, above the item in one number: the day last bought, 30 days more for each doubling."""
    _, bits = np.frexp(count)
    worth: NDArray[np.uint64] = (last + DOUBLE_DAYS * (bits - 1)).astype(np.uint64) << np.uint64(_HEAD) | item
    return worth
