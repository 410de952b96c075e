"""Groups of tested events: which of them a figure is about."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Ints, Mask
from models.evaluate.journal import Journal

#: users and items with fewer events before the tested one are cold
COLD: Final = 5


def groups(journal: Journal, rows: Ints) -> dict[str, Mask]:
    """Masks over tested events, by name: cold and warm users and items, first and later of a basket, search and not.

    >>> journal = Journal.of(user=[0, 0, 1], item=[0, 0, 0], time=[0, 1, 2])
    >>> groups(journal, np.array([0, 1, 2]))["first of a basket"].tolist()
    [True, False, True]
    """
    seen = journal.place[rows] - journal.begin[rows]
    by_item = np.argsort(journal.item, kind="stable")
    counts = np.bincount(journal.item, minlength=len(journal.items))
    place = np.empty(len(journal), np.int64)
    place[by_item] = np.arange(len(journal))
    bought = place[rows] - (np.cumsum(counts) - counts)[journal.item[rows]]
    text = journal.text[rows] >= 0
    opens = journal.opens[rows]
    found = {
        "search": text,
        "home": ~text,
        "cold users": seen < COLD,
        "warm users": seen >= COLD,
        "cold items": bought < COLD,
        "warm items": bought >= COLD,
        "first of a basket": opens,
        "later in a basket": ~opens,
        "new queries": text & ~_asked_before(journal, rows),
    }
    return {name: mask for name, mask in found.items() if mask.any()}


def windows(journal: Journal, rows: Ints, count: int = 10) -> list[Mask]:
    """Tested events by the log's time, as masks: equal numbers of them, oldest first."""
    order = np.argsort(rows, kind="stable")
    found = []
    for part in np.array_split(order, min(count, max(len(rows), 1))):
        mask = np.zeros(len(rows), np.bool_)
        mask[part] = True
        found.append(mask)
    return found


def _asked_before(journal: Journal, rows: Ints) -> Mask:
    """Whether the tested event's text stood in an event before it."""
    texts, first = np.unique(journal.text, return_index=True)
    return first[np.searchsorted(texts, journal.text[rows])] < rows
