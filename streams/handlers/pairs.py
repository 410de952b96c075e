"""Co-visit pairs: which items each event followed, from the user's ring as it was when the event arrived."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.contexts import Events, eighths
from state.records import KINDS, RING
from streams.signals import PAIR

#: every event is paired with so many before it, in order
LAGS: Final = 5
#: and of those further back with one in each of these bands, drawn by the event's offset: it stands for all of its
#: band, which keeps the sums right on average at a fifth of the cost
BANDS: Final = ((6, 10), (11, 15), (16, 20))
FARTHEST: Final = BANDS[-1][1]
TOGETHER_MS: Final = 3_600_000
FAR_MS: Final = 60 * 86_400_000

_RATING: Final = KINDS.index("rating")


class _Lines(NamedTuple):
    """All users' events of the batch, each user's behind the last FARTHEST of the ring; ``at``: the batch's places.

    ``liked``: shows positive interest; ``used``: that, or a rating of any height: whoever rates has chosen.
    """

    at: NDArray[np.intp]
    item: NDArray[Any]
    time: NDArray[Any]
    liked: NDArray[Any]
    used: NDArray[Any]


def pairs_of(rows: NDArray[np.void], events: Events, offset: NDArray[np.int64]) -> NDArray[np.void]:
    """Deltas (signals.PAIR) of a batch: each event with those before it in its user's order of arrival.

    ``rows``: contexts before the batch; ``offset``: of each event, counted from the batch's base. A pair counts
    if the earlier arrival is not later in time, and they are not 60 days apart. With the five before it: ``after``
    and ``together`` where both show positive interest. With these and one of each band: ``wide``, either way.
    """
    if not len(events.user):
        return np.zeros(0, PAIR)
    order = np.argsort(events.user, kind="stable")
    lines = _lines(rows, events, order)
    number, mixed = offset[order], _mixed(events.item[order], events.time[order])
    found = [_near(lag, lines, number) for lag in range(1, LAGS + 1)]
    for band, (first, last) in enumerate(BANDS):
        width = last - first + 1
        lag = first + ((mixed >> np.uint64(8 * band)) % np.uint64(width)).astype(np.intp)
        found.append(_far(lag, width, lines, number))
    return np.concatenate(found)


def _mixed(item: NDArray[np.uint64], time: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Even bits from an event's item and second: the same however a batch is cut or published."""
    mixed = (item ^ (time // 1000).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    bits: NDArray[np.uint64] = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(32)
    return bits


def _lines(rows: NDArray[np.void], events: Events, order: NDArray[np.intp]) -> _Lines:
    who = events.user[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    users = who[starts]
    # one sequence a user: the last FARTHEST of the ring (oldest first), then the batch's events
    at = np.arange(len(who)) + FARTHEST * np.repeat(np.arange(1, len(starts) + 1), sizes)
    head = (starts + FARTHEST * np.arange(len(starts)))[:, None] + np.arange(FARTHEST)
    number = rows["events"][users].astype(np.int64)[:, None] - FARTHEST + np.arange(FARTHEST)
    slot = number % RING
    where = users[:, None]

    def sequence(before: NDArray[Any], batch: NDArray[Any]) -> NDArray[Any]:
        line = np.zeros(len(who) + FARTHEST * len(starts), batch.dtype)
        line[head] = before
        line[at] = batch[order]
        return line

    held = number >= 0
    # as the ring holds it: a dwell so short that its weight rounds to nothing must not count by where a batch is cut
    weight = rows["weight"][where, slot]
    liked = sequence((weight > 0) & held, eighths(events.weight) > 0)
    rated = sequence((rows["kind"][where, slot] == _RATING) & held, events.kind == _RATING)
    return _Lines(
        at=at,
        item=sequence(rows["item"][where, slot], events.item),
        time=sequence(rows["at"][where, slot].astype(np.int64) * 1000, events.time // 1000 * 1000),
        liked=liked,
        used=liked | rated,
    )


def _near(lag: int, lines: _Lines, offset: NDArray[np.int64]) -> NDArray[np.void]:
    here = lines.at
    gap = lines.time[here] - lines.time[here - lag]
    good = _fits(lines, here, here - lag, gap)
    here, gap = here[good], gap[good]
    liked = lines.liked[here] & lines.liked[here - lag]
    forward = np.zeros(len(here), PAIR)
    forward["row"], forward["item"] = lines.item[here - lag], lines.item[here]
    forward["after"], forward["together"] = liked / np.float32(lag), liked & (gap <= TOGETHER_MS)
    forward["wide"] = lag**-0.5
    forward["time"], forward["offset"] = lines.time[here] // 1000, offset[good]
    return np.concatenate([forward, _turned(forward)])


def _far(lag: NDArray[np.intp], width: int, lines: _Lines, offset: NDArray[np.int64]) -> NDArray[np.void]:
    here, there = lines.at, lines.at - lag
    good = _fits(lines, here, there, lines.time[here] - lines.time[there])
    here, there = here[good], there[good]
    forward = np.zeros(len(here), PAIR)
    forward["row"], forward["item"] = lines.item[there], lines.item[here]
    forward["wide"] = width * lag[good] ** -0.5
    forward["time"], forward["offset"] = lines.time[here] // 1000, offset[good]
    return np.concatenate([forward, _turned(forward)])


def _fits(lines: _Lines, here: NDArray[np.intp], there: NDArray[np.intp], gap: NDArray[np.int64]) -> NDArray[np.bool_]:
    used = lines.used[here] & lines.used[there]
    good: NDArray[np.bool_] = used & (lines.item[here] != lines.item[there]) & (gap >= 0) & (gap <= FAR_MS)
    return good


def _turned(forward: NDArray[np.void]) -> NDArray[np.void]:
    backward = forward.copy()
    backward["row"], backward["item"], backward["after"] = forward["item"], forward["row"], 0.0
    return backward
