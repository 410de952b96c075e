"""User contexts: what each user did last, and two decayed interest vectors, folded batch by batch.

The result must not depend on how the events were cut into batches, byte for byte, because a worker that is killed
cuts them differently the second time. So the vectors are integer sums: an event at time t adds
``weight * vector * SCALE * 2 ** ((t - start of the epoch) / half-life)``, rounded, where an epoch is eight
half-lives; integers add in any order. When a user's newest event enters a later epoch, the sums are divided by
``2 ** 8`` for each epoch passed, which happens at the same event however the batch is cut.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.records import CONTEXT, RING

SHORT_MS: Final = 3_600_000
LONG_MS: Final = 30 * 86_400_000
EPOCH: Final = 8
SCALE: Final = 256.0
LIMIT: Final = 2**30

Array = NDArray[np.generic]


class Events:
    """The events of one batch as columns, in offset order; every array has shape (n,).

    ``user``: row of the context; ``item``: u64 key; ``time``: Unix ms; ``kind``: code in ``records.KINDS``;
    ``weight``: interest it shows; ``vector``: row in ``vectors`` or -1 where the item's vector is unknown;
    ``vectors``: shape (v, 64), float32.
    """

    __slots__ = ("item", "kind", "time", "user", "vector", "vectors", "weight")

    def __init__(
        self,
        user: NDArray[np.intp],
        item: NDArray[np.uint64],
        time: NDArray[np.int64],
        kind: NDArray[np.uint8],
        weight: NDArray[np.float32],
        vector: NDArray[np.intp],
        vectors: NDArray[np.float32],
    ) -> None:
        self.user, self.item, self.time, self.kind = user, item, time, kind
        self.weight, self.vector, self.vectors = weight, vector, vectors


def fold(rows: NDArray[np.void], events: Events) -> None:
    """Fold a batch into its users' contexts (``records.CONTEXT``, shape (users,)), in place."""
    if not len(events.user):
        return
    order = np.argsort(events.user, kind="stable")
    who = events.user[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    users = who[starts]
    nth = np.arange(len(who)) - np.repeat(starts, sizes)

    _interest(rows, events, order, who, starts, sizes)
    slot = (rows["events"][who].astype(np.int64) + nth) % RING
    kept = np.flatnonzero(np.repeat(sizes, sizes) - nth <= RING)
    who_kept, slot, source = who[kept], slot[kept], order[kept]
    rows["item"][who_kept, slot] = events.item[source]
    rows["at"][who_kept, slot] = events.time[source] // 1000
    rows["kind"][who_kept, slot] = events.kind[source]
    rows["weight"][who_kept, slot] = eighths(events.weight[source])
    rows["events"][users] += sizes.astype(np.uint32)
    np.add.at(rows["counts"], (events.user, events.kind), 1)
    rows["last"][users] = np.maximum(rows["last"][users], np.maximum.reduceat(events.time[order], starts))


def eighths(weight: NDArray[np.float32]) -> NDArray[np.int8]:
    """Weights as the ring stores them.

    >>> eighths(np.array([5.0, -4.0], np.float32)).tolist()
    [40, -32]
    """
    return np.clip(np.rint(weight * 8), -127, 127).astype(np.int8)


def _interest(
    rows: NDArray[np.void],
    events: Events,
    order: NDArray[np.intp],
    who: NDArray[np.intp],
    starts: NDArray[np.intp],
    sizes: NDArray[np.intp],
) -> None:
    """Add the events' vectors to ``short`` and ``long``, advancing epochs where the newest event demands it."""
    use = (events.vector[order] >= 0) & (events.weight[order] != 0)
    time = events.time[order]
    position = np.repeat(np.arange(len(starts)), sizes)
    for name, half_life in (("short", SHORT_MS), ("long", LONG_MS)):
        span = EPOCH * half_life
        before = rows[name + "_epoch"][who[starts]].astype(np.int64)
        # the epoch each event is folded in: the newest so far of its user (running maximum within the user)
        offset = position * np.int64(1 << 32)
        reached = np.maximum.accumulate(offset + np.maximum(time // span, before[position])) - offset
        groups = np.flatnonzero(np.r_[True, (who[1:] != who[:-1]) | (reached[1:] != reached[:-1])])
        exponent = (time - reached * span) / half_life
        factor = np.where(use, events.weight[order] * SCALE * np.exp2(exponent), 0.0)
        vectors = events.vectors[np.where(use, events.vector[order], 0)] if len(events.vectors) else None
        sums = rows[name]
        epochs = rows[name + "_epoch"]
        if vectors is None:
            epochs[who[starts]] = reached[starts + sizes - 1]
            continue
        added = np.add.reduceat(np.rint(vectors * factor[:, None]).astype(np.int64), groups, axis=0)
        _advance_and_add(sums, epochs, who[groups], reached[groups], added)


def _advance_and_add(
    sums: NDArray[np.int32],
    epochs: NDArray[np.int32],
    user: NDArray[np.intp],
    epoch: NDArray[np.int64],
    added: NDArray[np.int64],
) -> None:
    """For each group, in order: bring its user's sums to ``epoch``, then add. A user's groups come one a round."""
    first = np.r_[True, user[1:] != user[:-1]]
    nth = np.arange(len(user)) - np.maximum.accumulate(np.where(first, np.arange(len(user)), 0))
    for turn in range(int(nth.max()) + 1):
        now = np.flatnonzero(nth == turn)
        u = user[now]
        passed = np.clip(epoch[now] - epochs[u], 0, 8)
        scaled = np.rint(np.ldexp(sums[u].astype(np.float64), (-EPOCH * passed)[:, None].astype(np.int32)))
        sums[u] = np.clip(scaled.astype(np.int64) + added[now], -LIMIT, LIMIT)
        epochs[u] = epoch[now]


def interest(context: NDArray[np.void]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The short and long vectors of contexts of shape (u,), unit length or zeros, each (u, 64) float32."""
    sums = np.stack((context["short"], context["long"])).astype(np.float32)
    length = np.linalg.norm(sums, axis=-1, keepdims=True)
    length[length == 0] = 1
    sums /= length
    return sums[0], sums[1]


def empty(users: int) -> NDArray[np.void]:
    """Contexts of users who have done nothing, shape (users,)."""
    return np.zeros(users, CONTEXT)
