"""Trends: the most popular items at five half-lives, exact.

An item's score is log2 of its popularity decayed to time 0 (log2(popularity) + last / half-life), so that
scores of different items, moments and partitions compare as they are. A score only grows, and every change
of an item is merged, so a row holds exactly the TOP of all items touched so far, whatever was dropped before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.records import TOP, TREND
from state.rows import Records
from streamrank_client.vocabulary import POPULARITY_DAYS

_HALF_LIVES: Final = np.array(POPULARITY_DAYS) * 86_400
#: log2 of the highest popularity that is told: below float32's largest by what a hundred thousand of them add up to
_MOST_LOG: Final = 110.0
#: for each half-life items and scores, read-only
_Best = tuple[tuple[NDArray[np.uint64], NDArray[np.float64]], ...]
_lately: Final[deque[tuple[list[bytes], int, _Best]]] = deque(maxlen=2)


class Trend(NamedTuple):
    """The most popular items at one half-life, best first: u64 keys and popularity then, both (n,)."""

    item: NDArray[np.uint64]
    weight: NDArray[np.float32]


def merge(row: Records, items: NDArray[np.uint64], counts: Records) -> Records:
    """A TREND row, shape (), with the new ``counts`` (COUNT, shape (n,)) of distinct ``items`` (n,) in it.

    Empty places have item 0 and score 0, behind all others.
    """
    merged = np.zeros((), TREND)
    stays = (row["item"] != 0) & ~_among(row["item"], items)
    with np.errstate(divide="ignore"):
        log = np.log2(counts["popularity"])
    scores = log.T + (counts["last"] / 1000) / _HALF_LIVES[:, np.newaxis]
    for place, score in enumerate(scores):
        # Only what beats the row's last place can enter a full row.
        least = row["score"][place].min() if stays[place].all() else -np.inf
        new = np.flatnonzero((score >= least) & np.isfinite(score))
        item = np.concatenate([row["item"][place][stays[place]], items[new]])
        both = np.concatenate([row["score"][place][stays[place]], score[new]])
        best = np.lexsort((item, -both))[:TOP]
        merged["item"][place, : len(best)] = item[best]
        merged["score"][place, : len(best)] = both[best]
    return merged


def _among(these: NDArray[np.uint64], items: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of a few are among ``items`` (n,): a sort and a few searches, where np.isin makes two hash tables."""
    if not len(items):
        return np.zeros(these.shape, np.bool_)
    ordered = np.sort(items)
    found: NDArray[np.bool_] = ordered.take(np.searchsorted(ordered, these), mode="clip") == these
    return found


def decayed(rows: Iterable[bytes | Records | None], now_seconds: float, k: int) -> tuple[Trend, ...]:
    """The ``k`` most popular items of all partitions' TREND rows at ``now_seconds``, for each half-life.

    ``rows``: stored values or arrays, None for a partition without any. Ties are ordered by item key.
    """
    stored = [row if isinstance(row, bytes) else row.tobytes() for row in rows if row is not None]
    return tuple(
        Trend(item, popularity(score - now_seconds / half_life))
        for half_life, (item, score) in zip(_HALF_LIVES, _best(stored, k), strict=True)
    )


def popularity(log: NDArray[np.float64]) -> NDArray[np.float32]:
    """2 to the power of ``log``, of any shape; where the highest fits no float32, all scaled down alike.

    A query much older than what is stored asks for a popularity that grew beyond all numbers; its ratios are known.

    >>> popularity(np.array([3.0, 1.0])).tolist()
    [8.0, 2.0]
    >>> float(np.divide(*popularity(np.array([9_003.0, 9_001.0]))))
    4.0
    """
    highest = log.max(initial=-np.inf)
    return np.exp2(log - (highest - _MOST_LOG if highest > _MOST_LOG else 0.0)).astype(np.float32)


def _best(rows: list[bytes], k: int) -> _Best:
    """Items and scores of the ``k`` best over all rows, for each half-life; the time does not matter.

    Every query reads the same rows until the next signals are stored: sorting them again costs 0.2 ms. They are
    compared, not hashed, with the few that were asked for last.
    """
    for held, most, found in _lately:
        if held == rows and most == k:
            return found
    found = _sorted(rows, k)
    _lately.appendleft((rows, k, found))
    return found


def _sorted(rows: list[bytes], k: int) -> _Best:
    arrays = [np.frombuffer(row, TREND)[0] for row in rows]
    best = []
    for place in range(len(_HALF_LIVES)):
        item = np.concatenate([np.zeros(0, np.uint64), *(row["item"][place] for row in arrays)])
        score = np.concatenate([np.zeros(0), *(row["score"][place] for row in arrays)])
        item, score = item[item != 0], score[item != 0]
        order = np.lexsort((item, -score))[:k]
        item, score = item[order], score[order]
        item.flags.writeable = score.flags.writeable = False
        best.append((item, score))
    return tuple(best)
