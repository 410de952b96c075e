"""Co-visit pairs: which items each event followed or went with, from the user's ring as it was when it arrived."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from state.contexts import EventColumns, eighths
from state.records import RING
from streamrank_client.vocabulary import HOUR_MS, RATING
from streams.wire.signals import AFTER, BACK, PAIR, TOGETHER

#: every event is paired with so many before it, with more of its own hour, as far as the ring reaches; with so many it
#: counts as having come after them
LAGS: Final = 10
HOUR_LAGS: Final = RING - 1
AFTER_LAGS: Final = 5
TOGETHER_MS: Final = HOUR_MS


class _Lines(NamedTuple):
    """All users' events of the batch, each user's behind the last HOUR_LAGS of the ring; ``at``: the batch's places.

    ``liked``: shows positive interest; ``used``: that, or a rating of any height: whoever rates has chosen.
    """

    at: NDArray[np.intp]
    item: NDArray[Any]
    time: NDArray[Any]
    liked: NDArray[Any]
    used: NDArray[Any]


def pairs_of(rows: NDArray[np.void], events: EventColumns, offset: NDArray[np.int64]) -> NDArray[np.void]:
    """Deltas (signals.PAIR) of a batch, in its order: each event with the ten before it in its user's order of arrival,
    and with up to 31 of the last hour: a basket of thirty is one.

    ``rows``: contexts before the batch; ``offset``: of each event, counted from the batch's base. A pair counts
    if the earlier arrival is not later in time, and both were chosen.
    """
    if not len(events.user):
        return np.zeros(0, PAIR)
    order = np.argsort(events.user, kind="stable")
    lines = _lines(rows, events, order)
    at = np.empty_like(lines.at)
    at[order] = lines.at
    found = np.empty(2 * HOUR_LAGS * len(at), PAIR)
    return found[: _pair(found, at, lines.item, lines.time, lines.liked, lines.used, np.ascontiguousarray(offset))]


@compiled
def _pair(
    found: NDArray[np.void],
    at: NDArray[np.intp],
    item: NDArray[np.uint64],
    time: NDArray[np.int64],
    liked: NDArray[np.bool_],
    used: NDArray[np.bool_],
    offset: NDArray[np.int64],
) -> int:
    """Write all pairs, both ways, into ``found``; returns how many."""
    count = 0
    for event in range(len(at)):
        here = at[event]
        for lag in range(1, HOUR_LAGS + 1):
            there = here - lag
            gap = time[here] - time[there]
            if lag > LAGS and gap > TOGETHER_MS:
                break
            if not (used[here] and used[there] and item[here] != item[there] and gap >= 0):
                continue
            both = liked[here] and liked[there]
            how = TOGETHER if both and gap <= TOGETHER_MS else 0
            for forward in (True, False):
                pair = found[count]
                pair["row"] = item[there] if forward else item[here]
                pair["item"] = item[here] if forward else item[there]
                pair["time"] = time[here] // 1000
                pair["offset"] = offset[event]
                pair["lag"] = lag
                after = AFTER if both and lag <= AFTER_LAGS else 0
                pair["how"] = how + (after if forward else BACK)
                pair["_"] = 0
                count += 1
    return count


def _lines(rows: NDArray[np.void], events: EventColumns, order: NDArray[np.intp]) -> _Lines:
    who = events.user[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    users = who[starts]
    # one sequence a user: the last HOUR_LAGS of the ring (oldest first), then the batch's events
    at = np.arange(len(who)) + HOUR_LAGS * np.repeat(np.arange(1, len(starts) + 1), sizes)
    head = (starts + HOUR_LAGS * np.arange(len(starts)))[:, None] + np.arange(HOUR_LAGS)
    number = rows["events"][users].astype(np.int64)[:, None] - HOUR_LAGS + np.arange(HOUR_LAGS)
    slot = number % RING
    where = users[:, None]

    def sequence(before: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        line = np.zeros(len(who) + HOUR_LAGS * len(starts), batch.dtype)
        line[head] = before
        line[at] = batch[order]
        return line

    held = number >= 0
    # as the ring holds it: a dwell so short that its weight rounds to nothing must not count by where a batch is cut
    weight = rows["weight"][where, slot]
    liked = sequence((weight > 0) & held, eighths(events.weight) > 0)
    rated = sequence((rows["kind"][where, slot] == RATING) & held, events.kind == RATING)
    return _Lines(
        at=at,
        item=sequence(rows["item"][where, slot], events.item),
        time=sequence(rows["at"][where, slot].astype(np.int64) * 1000, events.time // 1000 * 1000),
        liked=liked,
        used=liked | rated,
    )
