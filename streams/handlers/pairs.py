"""Co-visit pairs: which items each event followed, from the user's ring as it was when the event arrived."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.contexts import Events, eighths
from state.records import RING
from streams.signals import PAIR

LAGS: Final = 5
TOGETHER_MS: Final = 3_600_000
FAR_MS: Final = 60 * 86_400_000


def pairs_of(rows: NDArray[np.void], events: Events, offset: NDArray[np.int64]) -> NDArray[np.void]:
    """Deltas (signals.PAIR) of a batch: each event with the five before it in its user's order of arrival.

    ``rows``: contexts before the batch; ``offset``: of each event, counted from the batch's base. A pair counts
    if the earlier arrival is not later in time, both show positive interest, and they are not 60 days apart.
    """
    if not len(events.user):
        return np.zeros(0, PAIR)
    order = np.argsort(events.user, kind="stable")
    who = events.user[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    users = who[starts]
    # one sequence a user: the last LAGS of the ring (oldest first), then the batch's events
    at = np.arange(len(who)) + LAGS * np.repeat(np.arange(1, len(starts) + 1), sizes)
    head = (starts + LAGS * np.arange(len(starts)))[:, None] + np.arange(LAGS)
    number = rows["events"][users].astype(np.int64)[:, None] - LAGS + np.arange(LAGS)
    slot = number % RING

    def sequence(before: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        line = np.zeros(len(who) + LAGS * len(starts), batch.dtype)
        line[head] = before[users[:, None], slot]
        line[at] = batch[order]
        return line

    item = sequence(rows["item"], events.item)
    time = sequence(rows["at"].astype(np.int64) * 1000, events.time // 1000 * 1000)
    # as the ring holds it: a dwell so short that its weight rounds to nothing must not count by where a batch is cut
    liked = sequence(rows["weight"] > 0, eighths(events.weight) > 0)
    liked[head] &= number >= 0
    found = [_with_lag(lag, at, item, time, liked, offset[order]) for lag in range(1, LAGS + 1)]
    return np.concatenate(found)


def _with_lag(
    lag: int,
    at: NDArray[np.intp],
    item: NDArray[Any],
    time: NDArray[Any],
    liked: NDArray[Any],
    offset: NDArray[np.int64],
) -> NDArray[np.void]:
    gap = time[at] - time[at - lag]
    good = liked[at] & liked[at - lag] & (item[at] != item[at - lag]) & (gap >= 0) & (gap <= FAR_MS)
    here, near = at[good], (gap <= TOGETHER_MS)[good]
    forward = np.zeros(len(here), PAIR)
    forward["row"], forward["item"] = item[here - lag], item[here]
    forward["after"], forward["together"] = 1.0 / lag, near
    forward["time"], forward["offset"] = time[here] // 1000, offset[good]
    backward = forward[near].copy()
    backward["row"], backward["item"], backward["after"] = forward["item"][near], forward["row"][near], 0.0
    return np.concatenate([forward, backward])
