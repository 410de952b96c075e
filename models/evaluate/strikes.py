"""A drill's figures: the lists before and after the moment it strikes, stretch by stretch, and when it was told."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Ints
from models.evaluate import metrics
from models.evaluate.bootstrap import Draws, Interval, RelativeDifference
from models.evaluate.journal import Journal
from models.evaluate.results import Results
from models.learning.drift import alarms

#: share of the events after which a drill strikes
STRIKES: Final = 0.75
#: positions of a list that count as shown, as in streams.offline.evaluation.serving; a test compares them
SHOWN: Final = 20
#: the name under which the answers of a run without the drill stand among the systems
UNDISTURBED: Final = "undisturbed"
#: where stretches end, in tested events from the strike; the last goes to the end of the log
EDGES: Final = (-1_000, 0, 250, 500, 1_000, 1_500)
METRIC: Final = "ndcg@10"


class Stretch(msgspec.Struct, frozen=True):
    """Tested events ``first`` up to, without it, ``last``, counted from the strike (before it: below 0).

    ``feedbacks``: those among them whose item was shown, so that the trainer learnt of them; NDCG@10 by system, and by
    how much the first system is above each other one.
    """

    first: int
    last: int
    feedbacks: int
    metrics: dict[str, Interval]
    differences: dict[str, RelativeDifference]


class Drill(msgspec.Struct, frozen=True):
    """What a drill did. ``struck``: its time, Unix ms. ``alarms``: by system, the tested events at which the drift
    alarm was raised, counted from the strike (0: the first after it); below 0 they are false. ``worker``: the same of
    the alarms that a worker has, one for each surface, which know choices among what was shown only, counted in such
    feedbacks; ``silent``: so many feedbacks from the strike it told that a source is silent, by source.
    """

    name: str
    struck: int
    stretches: list[Stretch]
    alarms: dict[str, list[int]]
    worker: list[int]
    silent: dict[str, list[int]]


def drill(name: str, journal: Journal, results: Results, seed: int = 0) -> Drill:
    """Figures of a log that was struck by ``name`` at STRIKES of its events.

    >>> journal = Journal.of(user=[0, 1, 0, 1], item=[0, 0, 0, 0], time=[0, 1, 2, 3])
    >>> found = drill("tastes", journal, Results(np.array([2, 3]), {"streamrank": np.array([1, 25])}))
    >>> found.struck, [(one.first, one.last, one.feedbacks) for one in found.stretches]
    (3, [(-1, 0, 1), (0, 1, 0)])
    """
    order = np.argsort(results.rows, kind="stable")
    row = struck_at(journal)
    place = np.arange(len(order)) - int(np.searchsorted(results.rows[order], row))
    first = next(iter(results.ranks))
    ranks = results.ranks[first][order]
    shown = (ranks > 0) & (ranks <= SHOWN)
    draws = Draws(journal.user[results.rows[order]], seed)
    values = {system: metrics.METRICS[METRIC](found[order]) for system, found in results.ranks.items()}
    stretches = []
    for since, to in zip((None, *EDGES), (*EDGES, None), strict=True):
        among = np.ones(len(place), np.bool_) if since is None else place >= since
        among = among if to is None else among & (place < to)
        if among.any():
            stretches.append(_stretch(place, shown, values, draws, among))
    before = int(shown[place < 0].sum())
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(shown) - 1 - before
    return Drill(
        name=name,
        struck=int(journal.time[row]),
        stretches=stretches,
        alarms={system: place[alarms(found[order])].tolist() for system, found in results.losses.items()},
        worker=number[results.told].tolist(),
        silent={source: number[told].tolist() for source, told in results.silent.items()},
    )


def struck_at(journal: Journal) -> int:
    """The place in the journal of the first event after the strike."""
    return int(len(journal) * STRIKES)


def _stretch(
    place: Ints,
    shown: NDArray[np.bool_],
    values: dict[str, NDArray[np.float64]],
    draws: Draws,
    among: NDArray[np.bool_],
) -> Stretch:
    first, *others = values
    gains = {other: draws.gain(values[first], values[other], among) for other in others}
    return Stretch(
        first=int(place[among][0]),
        last=int(place[among][-1]) + 1,
        feedbacks=int(shown[among].sum()),
        metrics={system: draws.mean(value, among) for system, value in values.items()},
        differences={other: gain for other, gain in gains.items() if gain is not None},
    )
