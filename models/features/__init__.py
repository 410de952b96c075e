"""Features: what the ranker knows of each candidate, one row a candidate, in the order of ``FEATURES``.

Computed once, when the query is served, and logged with the impression: training reads the very same numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamrank_client.vocabulary import COMPACT as DIM
from models.ask import Ask
from models.base.arrays import Floats
from streamrank_client.vocabulary import HOUR_S
from models.features import groups as columns, likeness, neighbours
from models.features.groups import Attributes, Candidates
from models.features.names import FEATURES, FEATURES_VERSION, GROUPS, INDEX, MEANING, SOURCES

__all__ = [
    "FEATURES",
    "FEATURES_VERSION",
    "GROUPS",
    "INDEX",
    "LARGEST",
    "MEANING",
    "RECENT",
    "SOURCES",
    "Attributes",
    "Candidates",
    "compute",
    "recent_inputs",
]

#: Recent items that the ranker attends to.
RECENT: Final = 32
#: Nothing sensible is larger; what is smaller than FLUSH is 0, or the quantiles tear noise apart.
LARGEST: Final = 1e6
FLUSH: Final = 1e-9
_SOURCE_COLUMNS: Final = np.array([INDEX[name] for name in SOURCES])


def compute(
    ask: Ask,
    catalogue: Attributes,
    candidates: Candidates,
    counts: NDArray[np.void],
    out: Floats | None = None,
) -> Floats:
    """Features of each candidate, float32 (n, len(FEATURES)), always finite.

    ``candidates``: their catalogue ``rows`` (n,), and ``scores`` (n, s) by the sources in the order of
    ``SOURCES``; ``counts`` (n,): their count records (``state.records.COUNT``, ``popularity`` relative to
    ``last``), zeros where nothing was counted. ``out``: written to and returned when given.
    Raises ValueError when the shapes do not fit together.
    """
    rows, scores = candidates.rows, candidates.scores
    n = len(rows)
    if scores.shape != (n, len(SOURCES)) or counts.shape != (n,):
        raise ValueError(
            f"features of {n} candidates: scores have shape {scores.shape}, not ({n}, {len(SOURCES)}), "
            f"or counts have shape {counts.shape}, not ({n},)"
        )
    # by column at first: columns are written one after the other
    by_column = np.empty((len(FEATURES), n), np.float32)
    by_column[_SOURCE_COLUMNS] = scores.T
    look = columns.look_up(ask, catalogue, rows)
    for group in (
        neighbours.covisits(ask, look, counts),
        likeness.interest(ask, look, catalogue.compact),
        columns.track_record(ask, counts),
        columns.is_new(ask, look, counts, catalogue.first_time),
        columns.rhythm(ask, look),
        columns.own_history(look),
        columns.shares(look, catalogue),
        columns.price(ask, look, catalogue),
        columns.situation(ask, look, catalogue.first_time),
        likeness.looks(look, catalogue.images),
        likeness.tower_likeness(look, catalogue.tower),
    ):
        for name, column in group.items():
            by_column[INDEX[name]] = column
    if np.isnan(by_column).any():
        by_column[np.isnan(by_column)] = 0
    np.minimum(np.maximum(by_column, -LARGEST, out=by_column), LARGEST, out=by_column)
    np.copyto(by_column, 0, where=np.abs(by_column) < FLUSH)
    if out is None:
        return np.ascontiguousarray(by_column.T)
    out[:] = by_column.T
    return out


def recent_inputs(ask: Ask, catalogue: Attributes) -> tuple[Floats, Floats]:
    """The user's recent items as the ranker attends to them: vectors (32, 64) and weights (32,).

    Newest first. A weight is the behaviour's, fading with its age (half after an hour, a tenth after nine);
    0 is padding, below 0 a dislike. Events on items that the catalogue does not hold are left out.
    """
    vectors, weights = np.zeros((RECENT, DIM), np.float32), np.zeros(RECENT, np.float32)
    known = np.flatnonzero(ask.user.recent.rows >= 0)[:RECENT]
    if len(known):
        vectors[: len(known)] = catalogue.compact[ask.user.recent.rows[known]]
        age = np.maximum(ask.user.recent.age[known], 0)
        faded = ask.user.recent.weight[known] * (HOUR_S / (HOUR_S + age))
        weights[: len(known)] = np.nan_to_num(faded)
    return vectors, weights
