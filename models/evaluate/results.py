"""What an evaluation found at each tested event, by system: the rank of what was chosen, and the list's top."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints

#: items of a list that its metrics look at, and of a source that its recall does
TOP: Final = 10
DEEP: Final = 100


@dataclass
class Results:
    """Ranks of the chosen item at T tested events.

    ``rows`` (T,): places in the journal; ``ranks``: by system, (T,), from 1, 0 where the list does not hold it;
    ``tops``: by system, (T, 10), the first items by number, -1 where the list is shorter. ``sources``: by source,
    (T,), the rank among its first 100, 0 for none; ``candidates`` (T,): whether it was among the final ones;
    ``losses``: by system of ours, (T,), the loss by which drift is told (``models.learning.loss``); ``told``: the
    tested events at which a worker, which knows choices among what was shown only, tells of drift; ``silent``: by
    source, those at which it tells that the source fell silent.
    """

    rows: Ints
    ranks: dict[str, Ints] = field(default_factory=dict)
    tops: dict[str, Ints] = field(default_factory=dict)
    sources: dict[str, Ints] = field(default_factory=dict)
    candidates: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    losses: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    told: list[int] = field(default_factory=list)
    silent: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def empty(cls, rows: Ints) -> Results:
        """Results with nothing found yet."""
        return cls(rows, candidates=np.zeros(len(rows), np.bool_))

    def put(self, system: str, test: int, rank: int, top: Ints, loss: float | None = None) -> None:
        """What ``system`` answered at tested event ``test``; ``loss`` where its drift is watched."""
        if system not in self.ranks:
            self.ranks[system] = np.zeros(len(self.rows), np.int64)
            self.tops[system] = np.full((len(self.rows), TOP), -1, np.int64)
        self.ranks[system][test] = rank
        self.tops[system][test, : min(len(top), TOP)] = top[:TOP]
        if loss is not None:
            self.losses.setdefault(system, np.zeros(len(self.rows)))[test] = loss

    def put_source(self, source: str, test: int, rank: int) -> None:
        """At which place ``source`` alone named the item at tested event ``test``."""
        self.sources.setdefault(source, np.zeros(len(self.rows), np.int64))[test] = rank

    def take(self, other: Results, system: str, name: str) -> None:
        """Take what a ``system`` of ``other`` answered, under another name."""
        self.ranks[name], self.tops[name] = other.ranks[system], other.tops[system]
        self.losses[name] = other.losses[system]

    def drop(self, system: str) -> None:
        """Forget what a system answered."""
        del self.ranks[system], self.tops[system], self.losses[system]

    def union(self) -> NDArray[np.bool_]:
        """Whether any source named the item, (T,)."""
        named = [ranks > 0 for ranks in self.sources.values()]
        return np.logical_or.reduce(named) if named else np.zeros(len(self.rows), np.bool_)


def place_of(rows: NDArray[np.integer], row: int) -> int:
    """The rank of ``row`` in distinct ``rows``, from 1; 0 when it is not there.

    >>> place_of(np.array([7, 5, 9]), 5), place_of(np.array([7]), 5)
    (2, 0)
    """
    found = np.flatnonzero(rows == row)
    return int(found[0]) + 1 if len(found) else 0
