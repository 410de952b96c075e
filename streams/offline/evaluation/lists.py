"""Lists as they were ranked, kept for rankers that are trained on them: while the log runs, or afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from models.base.arrays import Floats, Ints
from models.evaluate.boosted import RankedRows
from models.ranking.ranker import Ranker
from models.training.rankings import RankingsWriter
from streams.offline.evaluation.serving import Served

#: shares of the log at which rankers are trained, and trained again
TENTHS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass
class Lists:
    """Lists in the order of the log. ``rows``: places in the journal; ``features``: (n, F) each; ``items``: the
    candidates by number, (n,) each; ``target``: the place of what was then chosen, -1 where it is not among them.
    """

    rows: list[int] = field(default_factory=list)
    features: list[Floats] = field(default_factory=list)
    items: list[Ints] = field(default_factory=list)
    target: list[int] = field(default_factory=list)

    def add(self, row: int, features: Floats, items: Ints, target: int) -> None:
        """One list."""
        self.rows.append(row)
        self.features.append(features)
        self.items.append(items)
        self.target.append(target)

    def ranked(self) -> RankedRows:
        """All of them, for a baseline that is trained afterwards."""
        return RankedRows(np.array(self.rows, np.int64), self.features, self.items, np.array(self.target, np.int64))


class OwnRanker:
    """Trains the ranker on the lists of this log, as `artifact build ranker` does, whenever it is told to.

    Needs the extra `train`.
    """

    def __init__(self, seed: int, source: str, progress: Callable[[int, int], None]) -> None:
        self._seed, self._source, self._progress = seed, source, progress
        self._writer = RankingsWriter()

    def add(self, served: Served, target: int, time: int, user: int) -> None:
        """Keep one list; ``target``: the catalogue row that was then chosen."""
        one = served.rank_input
        places = np.flatnonzero(served.candidates == target).tolist()
        surface = served.ranked.ask.query.surface
        self._writer.add(
            one.features, one.candidates, one.recent, one.recent_weight, places, time, surface, user
        )  # fmt: skip

    def train(self) -> Ranker:
        """A ranker trained on all lists so far. Raises RankingsError when they are too few."""
        from models.training.ranker import train

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ranker"
            train(self._writer.rankings(), path, self._seed, lambda n, of, _: self._progress(n, of), self._source)
            return Ranker(path, "cpu")
