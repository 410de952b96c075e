"""Asks for tests of the models: changed in some fields, and scored by one source alone."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from models.ask import Ask
from models.base.arrays import Floats, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sources.base import Search, Source
from models.tower.column import TowerColumn


def changed(ask: Ask, **given: Any) -> Ask:
    """The ask with other values of some fields, whichever part each belongs to."""
    for name in ("query", "text", "user", "crowd"):
        part = getattr(ask, name)
        own = {f.name: given.pop(f.name) for f in fields(part) if f.name in given}
        if own:
            ask = replace(ask, **{name: replace(part, **own)})
    return replace(ask, **given)


def score_of(source: Source, ask: Ask, catalogue: Catalogue, rows: Rows, tower: TowerColumn | None = None) -> Floats:
    """What one source scores some rows, (n,)."""
    every = np.ones(len(catalogue), np.bool_)
    return source.score(Search(ask, catalogue, tower, every, ~every), rows)
