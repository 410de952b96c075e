"""The item tower's vectors by catalogue row: a column that a worker computes itself, and computes anew for a new tower.

256 bytes an item; nothing where there is no tower.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import AnyRows, Floats
from models.items.catalogue import Catalogue
from models.tower.item_tower import DIM, ItemTower

#: Rows that one step of ``grow`` computes: some milliseconds.
STEP: Final = 256


class TowerColumn:
    """Vectors (n, 64) of a tower, by row; zeros for rows that it was not given."""

    def __init__(self, tower: ItemTower) -> None:
        self.tower = tower
        self._grown = 0
        self._vectors = np.zeros((0, DIM), np.float32)

    def vectors(self, rows: int) -> Floats:
        """Those of the first ``rows`` rows, (rows, 64)."""
        self._reach(rows)
        return self._vectors[:rows]

    def take(self, rows: AnyRows) -> Floats:
        """Those of some rows, (n, 64)."""
        return self.vectors(int(rows.max(initial=-1)) + 1).take(rows, axis=0)

    def put(self, catalogue: Catalogue, rows: AnyRows) -> None:
        """Compute those of some rows, from what the catalogue holds of them now."""
        if len(rows):
            self._reach(len(catalogue))
            self._vectors[rows] = self.tower.vectors(catalogue, rows)

    def grow(self, catalogue: Catalogue, most: int = STEP) -> bool:
        """Compute the next ``most`` rows of a catalogue that was there before; False when all are done."""
        end = min(self._grown + most, len(catalogue))
        self.put(catalogue, np.arange(self._grown, end, dtype=np.int32))
        self._grown = end
        return end < len(catalogue)

    def _reach(self, end: int) -> None:
        if end > len(self._vectors):
            old = self._vectors
            self._vectors = np.zeros((max(end, len(old) * 3 // 2), DIM), np.float32)
            self._vectors[: len(old)] = old
