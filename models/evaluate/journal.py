"""A log's behaviour as columns: what the choice of tested events and the baselines read.

>>> journal = Journal.of(user=[0, 1, 0, 0], item=[0, 0, 1, 0], time=[1, 2, 3, 4])
>>> journal.first.tolist(), journal.before(3, 2).tolist()
([True, True, True, False], [2, 0])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles, Ints

#: a line that never comes
NEVER: Final = np.iinfo(np.int64).max
#: events of a user that lie further apart belong to different sessions
SESSION_MS: Final = 3_600_000


@dataclass(frozen=True)
class Journal:
    """Events on items in order of time, (n,) each; users, items, baskets and texts as numbers from 0.

    ``line``: place of the event in the log; ``chosen``: whether it is a choice (click, cart, purchase, rating);
    ``basket`` and ``text``: -1 for none. ``arrived`` and ``gone``, (items,): the line of an item's first item
    event and of its delete, NEVER where there is none. ``category``, ``brand`` and ``price``, (items,): as they were
    first told; codes from 0, -1 for none, and 0 for no price.
    """

    line: Ints
    user: Ints
    item: Ints
    time: Ints
    chosen: NDArray[np.bool_]
    basket: Ints
    text: Ints
    arrived: Ints
    gone: Ints
    category: Ints
    brand: Ints
    price: Doubles
    users: Sequence[str] = ()
    items: Sequence[str] = ()
    titles: Sequence[str] = ()
    texts: Sequence[str] = field(default=())

    @classmethod
    def of(
        cls,
        user: Sequence[int],
        item: Sequence[int],
        time: Sequence[int],
        basket: Sequence[int] | None = None,
        text: Sequence[int] | None = None,
        category: Sequence[int] | None = None,
        brand: Sequence[int] | None = None,
        price: Sequence[float] | None = None,
    ) -> Self:
        """A journal of choices on items that are there from the start: for tests and examples."""
        n, items = len(user), max(item, default=-1) + 1
        none = [-1] * n
        columns = (range(n), user, item, time, basket or none, text or none)
        line, who, what, when, together, words = (np.array(c, np.int64) for c in columns)
        names, unsaid = [f"p{i}" for i in range(items)], [-1] * items
        return cls(
            line, who, what, when, np.ones(n, np.bool_), together, words,
            np.full(items, -1), np.full(items, NEVER),
            category=np.array(category or unsaid, np.int64), brand=np.array(brand or unsaid, np.int64),
            price=np.array(price or [0.0] * items), users=[f"u{u}" for u in range(max(user, default=-1) + 1)],
            items=names, titles=names, texts=[f"t{t}" for t in range(max(words, default=-1) + 1)],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.line)

    @cached_property
    def by_user(self) -> Ints:
        """Places of the events, user by user, each user's in order."""
        return np.argsort(self.user, kind="stable")

    @cached_property
    def place(self) -> Ints:
        """Where each event stands in ``by_user``."""
        place = np.empty(len(self), np.int64)
        place[self.by_user] = np.arange(len(self))
        return place

    @cached_property
    def begin(self) -> Ints:
        """Where each event's user begins in ``by_user``."""
        counts = np.bincount(self.user, minlength=len(self.users))
        return (np.cumsum(counts) - counts)[self.user]

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Whether the event is its user's first on its item."""
        _, place = np.unique(self.user * max(len(self.items), 1) + self.item, return_index=True)
        out = np.zeros(len(self), np.bool_)
        out[place] = True
        return out

    @cached_property
    def opens(self) -> NDArray[np.bool_]:
        """Whether the event is the first of its basket, or without baskets of its session."""
        before = self.by_user[np.maximum(self.place - 1, 0)]
        own = self.place > self.begin
        return ~(own & self.together(np.arange(len(self)), before))

    def together(self, rows: Ints, others: Ints) -> NDArray[np.bool_]:
        """Whether events share a basket; where one has none, whether they are at most an hour apart."""
        named = (self.basket[rows] >= 0) & (self.basket[others] >= 0)
        near = np.abs(self.time[rows] - self.time[others]) <= SESSION_MS
        same: NDArray[np.bool_] = np.where(named, self.basket[rows] == self.basket[others], near)
        return same

    def before(self, row: int, count: int) -> Ints:
        """At most ``count`` events of the same user before event ``row``, newest first."""
        place, begin = int(self.place[row]), int(self.begin[row])
        return self.by_user[max(begin, place - count) : place][::-1]

    def had(self, row: int) -> Ints:
        """Distinct items of the user's events before event ``row``, in order of first use."""
        before = self.by_user[self.begin[row] : self.place[row]]
        return self.item[before[self.first[before]]]

    def known(self, row: int) -> NDArray[np.bool_]:
        """Which items the catalogue holds just before event ``row``, (items,)."""
        line = self.line[row]
        held: NDArray[np.bool_] = (self.arrived < line) & ~(self.gone < line)
        return held
