"""Queries that wait for their answers: users take turns, and what costs most waits apart.

A turn is answered together: queries of one partition, each user's oldest, as many as are not too much work. Explained
queries, each of which may cost as much as a turn, are answered one at a time between turns.

>>> def waiting(user, explained=False):
...     return Waiting(None, None, 0, user, 200, explained, asyncio.Future())
>>> async def order():
...     lanes = Lanes(together=2, work=1_000)
...     for user, explained in (("a", False), ("a", False), ("b", False), ("c", True), ("c", True)):
...         lanes.put(waiting(user, explained))
...     return [[one.user for one in turn] for turn in iter(lanes.take, [])]
>>> asyncio.run(order())
[['a', 'b'], ['c'], ['a'], ['c']]
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from streamrank_client.events import Query
from streams.wire.messages import Record


@dataclass(eq=False, slots=True)
class Waiting:
    """A query that waits. ``user``: whose it is; ``work``: candidates to be scored for it
    (``streams.handlers.budget``); ``done``: once answered; ``begun``: it has been put into a lane; ``came``: when it
    did, in seconds of the monotonic clock; ``encoded``: once its text is, None where it has none.
    """

    query: Query
    record: Record
    partition: int
    user: str
    work: int
    explained: bool
    done: asyncio.Future[None]
    begun: bool = False
    came: float = field(default_factory=monotonic)
    encoded: asyncio.Future[None] | None = None


class Lanes:
    """What waits, and whose turn it is."""

    def __init__(self, together: int, work: int) -> None:
        """``together``: most queries of a turn; ``work``: most candidates of a turn, unless one query has more."""
        self._together = together
        self._work = work
        self._plain, self._explained = _Lane(), _Lane()
        self._explained_next = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._plain) + len(self._explained)

    def put(self, one: Waiting) -> None:
        """Let a query wait, behind its user's others."""
        (self._explained if one.explained else self._plain).put(one)

    def take(self) -> list[Waiting]:
        """The next turn; empty when nobody waits."""
        explained = len(self._explained) and (self._explained_next or not len(self._plain))
        self._explained_next = not explained
        return self._explained.take(1, 0) if explained else self._plain.take(self._together, self._work)

    def drop(self, partition: int) -> list[Waiting]:
        """Let nobody of a partition wait any more; returns who did."""
        return self._plain.drop(partition) + self._explained.drop(partition)


class _Lane:
    """Users' queues by partition; partitions and, within them, users take turns."""

    def __init__(self) -> None:
        self._partitions: dict[int, dict[str, deque[Waiting]]] = {}
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def put(self, one: Waiting) -> None:
        self._partitions.setdefault(one.partition, {}).setdefault(one.user, deque()).append(one)
        self._n += 1

    def take(self, most: int, work: int) -> list[Waiting]:
        if not self._partitions:
            return []
        partition = next(iter(self._partitions))
        users = self._partitions.pop(partition)
        turn: list[Waiting] = []
        for user in list(users)[:most]:
            if turn and sum(one.work for one in turn) + users[user][0].work > work:
                break
            queue = users.pop(user)
            turn.append(queue.popleft())
            if queue:
                users[user] = queue  # behind all others
        if users:
            self._partitions[partition] = users
        self._n -= len(turn)
        return turn

    def drop(self, partition: int) -> list[Waiting]:
        gone = [one for queue in self._partitions.pop(partition, {}).values() for one in queue]
        self._n -= len(gone)
        return gone
