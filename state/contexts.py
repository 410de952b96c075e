"""User contexts: what each user did last, and two decayed interest vectors, folded batch by batch.

The result must not depend on how the events were cut into batches, byte for byte, because a worker that is killed
cuts them differently the second time. So the vectors are integer sums: an event at time t adds
``weight * vector * SCALE * 2 ** ((t - start of the epoch) / half-life)``, rounded, where an epoch is eight
half-lives; integers add in any order. When a user's newest event enters a later epoch, the sums are divided by
``2 ** 8`` for each epoch passed, which happens at the same event however the batch is cut.

Vectors of two encoders do not add up: a context names the encoder of its sums, and those of another one than that in
use count as absent until the user's next event begins new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from state.records import CONTEXT, RING
from streamrank_client.vocabulary import COMPACT, DAY_MS, HOUR_MS, key

SHORT_MS: Final = HOUR_MS
LONG_MS: Final = 30 * DAY_MS
EPOCH: Final = 8
SCALE: Final = 256.0
LIMIT: Final = 2**30
#: Where the epochs and the sums of a CONTEXT begin, in words of four bytes.
_EPOCHS, _SUMS = (dict(CONTEXT.fields or {})[name][1] // 4 for name in ("short_epoch", "short"))

#: the fields of a CONTEXT that hold the last events
_RING: Final = ("item", "at", "kind", "weight")

Array = NDArray[np.generic]


def encoder_id(version: str) -> int:
    """How a context names an encoder: 32 bits of its version's key.

    >>> encoder_id("b801d2b1ea5c")
    1513756699
    """
    return key(version) & 0xFFFFFFFF


class EventColumns:
    """The events of one batch as columns, in offset order; every array has shape (n,).

    ``user``: row of the context; ``item``: u64 key; ``time``: Unix ms; ``kind``: code in ``records.KINDS``;
    ``weight``: interest it shows; ``vector``: row in ``vectors`` or -1 where the item's vector is unknown;
    ``vectors``: shape (v, 64), float32, of the encoder ``encoder`` (``encoder_id``).
    """

    __slots__ = ("encoder", "item", "kind", "time", "user", "vector", "vectors", "weight")

    def __init__(
        self,
        user: NDArray[np.intp],
        item: NDArray[np.uint64],
        time: NDArray[np.int64],
        kind: NDArray[np.uint8],
        weight: NDArray[np.float32],
        vector: NDArray[np.intp],
        vectors: NDArray[np.float32],
        encoder: int = 0,
    ) -> None:
        self.encoder = encoder
        self.user, self.item, self.time, self.kind = user, item, time, kind
        self.weight, self.vector, self.vectors = weight, vector, vectors


def fold(rows: NDArray[np.void], events: EventColumns) -> None:
    """Fold a batch into its users' contexts (``records.CONTEXT``, shape (users,)), in place."""
    if not len(events.user):
        return
    order = np.argsort(events.user, kind="stable")
    who = events.user[order]
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
    sizes = np.diff(np.r_[starts, len(who)])
    users = who[starts]
    nth = np.arange(len(who)) - np.repeat(starts, sizes)

    foreign = users[rows["encoder"][users] != events.encoder]
    rows["short"][foreign] = rows["long"][foreign] = 0
    rows["encoder"][users] = events.encoder
    words = rows.view(np.int32).reshape(len(rows), -1)
    user, time = np.ascontiguousarray(events.user), np.ascontiguousarray(events.time)
    weight, vector = np.ascontiguousarray(events.weight), np.ascontiguousarray(events.vector)
    _interest(words, user, time, weight, vector, np.ascontiguousarray(events.vectors), _EPOCHS, _SUMS)
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


@compiled
def _interest(
    words: NDArray[np.int32],
    user: NDArray[np.intp],
    time: NDArray[np.int64],
    weight: NDArray[np.float32],
    vector: NDArray[np.intp],
    vectors: NDArray[np.float32],
    epochs: int,
    sums: int,
) -> None:
    """Add the events' vectors to ``short`` and ``long``, advancing epochs where the newest event demands it.

    ``words``: the contexts as i32, a row each, in which the epochs and the sums begin at the places given.
    """
    for event in range(len(user)):
        own = words[user[event]]
        for part in range(2):
            half_life = SHORT_MS if part == 0 else LONG_MS
            begin, newest = sums + COMPACT * part, own[epochs + part]
            # the epoch that the event is folded in: the newest so far of its user
            epoch = max(time[event] // (EPOCH * half_life), newest)
            if epoch > newest:
                shrink = 2.0 ** (-EPOCH * min(epoch - newest, 8))
                for place in range(begin, begin + COMPACT):
                    own[place] = np.int32(np.rint(own[place] * shrink))
                own[epochs + part] = epoch
            if vector[event] < 0 or weight[event] == 0:
                continue
            factor = weight[event] * SCALE * 2.0 ** ((time[event] - epoch * EPOCH * half_life) / half_life)
            for place in range(COMPACT):
                total = own[begin + place] + np.int64(np.rint(vectors[vector[event], place] * factor))
                own[begin + place] = min(max(total, -LIMIT), LIMIT)


def merged(stored: bytes | None, other: bytes | None, encoder: int) -> bytes | None:
    """A stored context with all that another user did, or None for neither: counts and sums are added, and of the last
    events of both those stay that are newest by their own time, in its order; of one moment the other user's are last.
    Of sums of two encoders those stay that are of the one in use, ``encoder``.

    Where the other user's events are older than those that follow, it is what folding them all into one would give.
    """
    if stored is None or other is None:
        return stored or other
    one, two = (np.frombuffer(bytearray(value), CONTEXT) for value in (stored, other))
    if one["encoder"][0] != two["encoder"][0]:
        for row in (one, two):
            if row["encoder"][0] != encoder:
                row["short"] = row["long"] = 0
        one["encoder"] = encoder
    for sums, epoch in (("short", "short_epoch"), ("long", "long_epoch")):
        newest = max(one[epoch][0], two[epoch][0])
        total = np.zeros(COMPACT, np.int64)
        for row in (one, two):
            total += np.rint(row[sums][0] * 2.0 ** (-EPOCH * min(int(newest - row[epoch][0]), 8))).astype(np.int64)
        one[sums][0], one[epoch][0] = np.clip(total, -LIMIT, LIMIT), newest
    had = [int(row["events"][0]) for row in (one, two)]
    slots = [np.arange(max(0, n - RING), n) % RING for n in had]
    ring = {name: np.concatenate([r[name][0, s] for r, s in zip((one, two), slots, strict=True)]) for name in _RING}
    order = np.argsort(ring["at"], kind="stable")[-RING:]
    places = np.arange(sum(had) - len(order), sum(had)) % RING
    for name in _RING:
        one[name][0, places] = ring[name][order]
    one["events"], one["last"] = sum(had), max(one["last"][0], two["last"][0])
    one["counts"] += two["counts"]
    return one.tobytes()


def recent(stored: bytes | None, kinds: Sequence[int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The items and times (Unix ms, of whole seconds) of a stored context's last events of these kinds, each (n,)."""
    row = np.frombuffer(stored or bytes(CONTEXT.itemsize), CONTEXT)[0]
    slots = np.flatnonzero((np.arange(RING) < row["events"]) & np.isin(row["kind"], kinds))
    return row["item"][slots], row["at"][slots].astype(np.int64) * 1000


def interest(context: NDArray[np.void], encoder: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The short and long vectors of contexts of shape (u,), unit length or zeros, each (u, 64) float32; zeros where the
    sums are of another encoder.
    """
    sums = np.stack((context["short"], context["long"])).astype(np.float32)
    sums[:, context["encoder"] != encoder] = 0
    length = np.linalg.norm(sums, axis=-1, keepdims=True)
    length[length == 0] = 1
    sums /= length
    return sums[0], sums[1]


def empty(users: int) -> NDArray[np.void]:
    """Contexts of users who have done nothing, shape (users,)."""
    return np.zeros(users, CONTEXT)
