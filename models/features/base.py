"""What a family of features is: some columns of the ranker's input, computed together, each in a group.

A family of the shop's own is a class like those beside this file, named by an installed package in the entry point
group ``streamrank.features``; rankers take its columns once they are trained with them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.ask import Ask
from models.base.arrays import Floats, Mask, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sentences import Sentence
from models.tower.column import TowerColumn
from streamrank_client.vocabulary import HOUR_S

Columns = dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What families read of n candidates: shapes n candidates, r recent events on items that the catalogue holds.

    ``rows`` (n,), and ``counts`` (n,), their count records (``state.records.COUNT``), zeros where nothing was counted;
    ``vectors`` (n, 64): the candidates'; ``seen`` (r,): a recent event's row; ``age`` (r,): seconds, at least 0;
    ``weight`` and ``kind`` (r,) as in ``models.ask.Recent``; ``young`` (r,): in the last hour. ``tower``: None where
    there is no item tower.
    """

    ask: Ask
    catalogue: Catalogue
    tower: TowerColumn | None
    rows: Rows
    counts: NDArray[Any]
    vectors: Floats
    seen: Rows
    age: Floats
    weight: Floats
    kind: NDArray[np.uint8]
    young: Mask

    @classmethod
    def of(
        cls, ask: Ask, catalogue: Catalogue, rows: Rows, counts: NDArray[Any], tower: TowerColumn | None = None
    ) -> Inputs:
        """Gather what the families share; recent events on unknown items (row -1) are left out."""
        recent = ask.user.recent
        known = recent.rows >= 0
        age = np.maximum(recent.age[known], 0).astype(np.float32, copy=False)
        vectors = catalogue.compact.take(rows, axis=0)
        return cls(
            ask, catalogue, tower, rows, counts, vectors, recent.rows[known], age, recent.weight[known],
            recent.kind[known], age < HOUR_S,
        )  # fmt: skip


class Family(ABC):
    """Some columns that are computed together.

    ``groups``: what each feature means, in a line, by its group, which is a line of an explanation; ``sentences``:
    what may be said of a group.
    """

    groups: ClassVar[Mapping[str, Mapping[str, str]]]
    sentences: ClassVar[Mapping[str, tuple[Sentence, ...]]] = {}

    @abstractmethod
    def columns(self, of: Inputs) -> Columns:
        """A column (n,) for each of its features, whatever the group."""
