"""Features: what the ranker knows of each candidate, one row a candidate, in the order of ``FEATURES``.

Computed once, when the query is served, and logged with the impression: training reads the very same numbers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask, Recent
from models.base.arrays import Floats
from models.features.base import Inputs
from models.features.registry import FAMILIES, FEATURES, INDEX
from models.items.catalogue import Catalogue
from models.retrieval.candidates import Candidates
from models.retrieval.sources.registry import SOURCES
from models.tower.column import TowerColumn
from streamrank_client.vocabulary import COMPACT, HOUR_S

#: Recent items that the ranker attends to.
RECENT: Final = 32
#: Nothing sensible is larger; what is smaller than FLUSH is 0, or the quantiles tear noise apart.
LARGEST: Final = 1e6
FLUSH: Final = 1e-9
_SOURCE_COLUMNS: Final = np.array([INDEX[name] for name in SOURCES])


def compute(
    ask: Ask,
    catalogue: Catalogue,
    candidates: Candidates,
    counts: NDArray[np.void],
    tower: TowerColumn | None = None,
    out: Floats | None = None,
) -> Floats:
    """Features of each candidate, float32 (n, len(FEATURES)), always finite.

    ``candidates``: their catalogue rows (n,), and scores (n, s) by the sources in the order of ``SOURCES``; ``counts``
    (n,): their count records (``state.records.COUNT``, ``popularity`` relative to ``last``), zeros where nothing was
    counted. ``out``: written to and returned when given. Raises ValueError when the shapes do not fit together.
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
    inputs = Inputs.of(ask, catalogue, rows, counts, tower)
    for family in FAMILIES:
        for name, column in family.columns(inputs).items():
            by_column[INDEX[name]] = column
    if np.isnan(by_column).any():
        by_column[np.isnan(by_column)] = 0
    np.minimum(np.maximum(by_column, -LARGEST, out=by_column), LARGEST, out=by_column)
    np.copyto(by_column, 0, where=np.abs(by_column) < FLUSH)
    if out is None:
        return np.ascontiguousarray(by_column.T)
    out[:] = by_column.T
    return out


def recent_inputs(recent: Recent, catalogue: Catalogue) -> tuple[Floats, Floats]:
    """The user's recent items as the ranker attends to them: vectors (32, 64) and weights (32,).

    Newest first. A weight is the behaviour's, fading with its age (half after an hour, a tenth after nine);
    0 is padding, below 0 a dislike. Events on items that the catalogue does not hold are left out.
    """
    vectors, weights = np.zeros((RECENT, COMPACT), np.float32), np.zeros(RECENT, np.float32)
    known = np.flatnonzero(recent.rows >= 0)[:RECENT]
    if len(known):
        vectors[: len(known)] = catalogue.compact[recent.rows[known]]
        age = np.maximum(recent.age[known], 0)
        faded = recent.weight[known] * (HOUR_S / (HOUR_S + age))
        weights[: len(known)] = np.nan_to_num(faded)
    return vectors, weights
