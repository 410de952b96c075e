"""Item counts: exact integers by kind, ratings, and popularity at five half-lives."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.rows import Records
from streamrank_client.vocabulary import DAY_MS, DWELL, KINDS, POPULARITY_DAYS, RATING, VIEW

#: A rating of so many stars or more adds its stars to an item's popularity, a dwell of so many seconds or more as much
#: as a view; other kinds add what ``Kind.popularity`` says.
GOOD: Final = 3.5
LONG: Final = 30.0

_WEIGHT: Final = np.array([kind.popularity for kind in KINDS])
_HALF_LIVES_MS: Final = np.array(POPULARITY_DAYS) * DAY_MS


def fold(
    rows: Records,
    row: NDArray[np.intp],
    kind: NDArray[np.uint32],
    value: NDArray[np.float32],
    time: NDArray[np.uint32],
    sign: NDArray[np.int8] | None = None,
) -> None:
    """Count events on items in COUNT ``rows`` (R,), in place.

    Event d is one of ``kind[d]`` (a place in KINDS) on the item of ``rows[row[d]]`` at ``time[d]`` (Unix
    seconds); ``value[d]`` is a rating's stars or a dwell's seconds. The popularity sums are decayed to the row's
    newest event; it only scales them, so one that comes late counts as if it had come in order. Where ``sign`` is -1,
    an event is taken back.

    >>> from state.records import COUNT
    >>> rows = np.zeros(1, COUNT)
    >>> two = np.zeros(2, np.intp), np.array([2, 4]), np.ones(2, np.float32), np.array([0, 86400])
    >>> fold(rows, *two)
    >>> rows["kinds"][0].tolist(), rows["last"][0].item(), rows["popularity"][0, 0].item()
    ([0, 0, 1, 0, 1, 0, 0, 0], 86400000, 6.0)
    """
    at = time.astype(np.int64) * 1000
    first = np.where(rows["kinds"].any(axis=1), rows["first"], np.iinfo(np.int64).max)
    last = rows["last"].copy()
    np.minimum.at(first, row, at)
    np.maximum.at(last, row, at)
    touched = np.bincount(row, minlength=len(rows)) > 0
    rows["first"][touched] = first[touched]
    sign = np.ones(len(row), np.int8) if sign is None else sign
    places = np.bincount(row * len(KINDS) + kind, sign, minlength=len(rows) * len(KINDS))
    kinds = rows["kinds"] + places.reshape(len(rows), len(KINDS)).astype(np.int64)
    rows["kinds"] = np.maximum(kinds, 0)
    stars = np.where(kind == RATING, value, 0) * sign
    rows["ratings"] += np.bincount(row, stars, minlength=len(rows))
    weight = _WEIGHT[kind]
    weight += np.where((kind == RATING) & (value >= GOOD), value, 0)
    weight += np.where((kind == DWELL) & (value >= LONG), _WEIGHT[VIEW], 0)
    for number, half_life in enumerate(_HALF_LIVES_MS):
        added = weight * sign * np.exp2((at - last[row]) / half_life)
        rows["popularity"][:, number] *= np.exp2((rows["last"] - last) / half_life)
        rows["popularity"][:, number] += np.bincount(row, added, minlength=len(rows))
    if (sign < 0).any():  # what is taken back was counted a little earlier, and weighs a little less
        np.maximum(rows["popularity"], 0, out=rows["popularity"])
    rows["last"] = last


def decayed(rows: Records, now_seconds: float) -> NDArray[np.float32]:
    """Popularity of COUNT rows (R,) at ``now_seconds``, shape (R, 5): one column for each half-life."""
    age = np.maximum(now_seconds * 1000 - rows["last"], 0)[:, np.newaxis]
    return np.asarray(rows["popularity"] * np.exp2(-age / _HALF_LIVES_MS), np.float32)
