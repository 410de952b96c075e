"""Category trends: the most popular items of each category at a half-life of 30 days, exact.

Scores are those of ``state.trends``. One row a category and signals partition; whatever is touched is merged, so a
row holds the true top of its category (but for an item that changed its category: it stays in the old row too, until
others are more popular).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.records import CATEGORY_TOP
from state.rows import Records
from state.trends import popularity
from streamrank_client.vocabulary import POPULARITY_DAYS

#: place of the half-life among those of popularity
PLACE: Final = POPULARITY_DAYS.index(30.0)
_HALF_LIFE: Final = POPULARITY_DAYS[PLACE] * 86_400


class Shelf(NamedTuple):
    """The most popular items of some rows, each (R, CATEGORY_TOP): u64 keys (0: empty) and popularity."""

    item: NDArray[np.uint64]
    weight: NDArray[np.float32]


def merge(rows: Records, row: NDArray[np.intp], items: NDArray[np.uint64], counts: Records) -> None:
    """Put the new ``counts`` (COUNT, (n,)) of distinct ``items`` (n,) into CATEGORY_TREND ``rows`` (R,), in place.

    Item i belongs to the category of ``rows[row[i]]``. Items without popularity change nothing.

    >>> from state.records import CATEGORY_TREND, COUNT
    >>> rows, some = np.zeros(1, CATEGORY_TREND), np.zeros(2, COUNT)
    >>> some["popularity"][:, PLACE] = 1, 4
    >>> merge(rows, np.zeros(2, np.intp), np.array([7, 9], np.uint64), some)
    >>> rows["item"][0, :3].tolist(), rows["score"][0, :2].tolist()
    ([9, 7, 0], [2.0, 0.0])
    """
    popularity = counts["popularity"][:, PLACE]
    new = np.flatnonzero(popularity > 0)
    score = np.log2(popularity[new]) + counts["last"][new] / 1000 / _HALF_LIFE
    held_row, held_slot = np.nonzero(rows["item"])
    held = rows["item"][held_row, held_slot]
    # an item's new score takes the place of its old one: of equal (row, item) the first stays
    all_rows, all_items = np.r_[row[new], held_row], np.r_[items[new], held]
    all_scores = np.r_[score, rows["score"][held_row, held_slot]]
    order = np.lexsort((np.r_[np.zeros(len(new)), np.ones(len(held))], all_items, all_rows))
    again = np.zeros(len(order), np.bool_)
    again[1:] = (all_rows[order][1:] == all_rows[order][:-1]) & (all_items[order][1:] == all_items[order][:-1])
    order = order[~again]
    order = order[np.lexsort((all_items[order], -all_scores[order], all_rows[order]))]
    sorted_rows = all_rows[order]
    begins = np.flatnonzero(np.r_[True, sorted_rows[1:] != sorted_rows[:-1]][: len(order)])
    place = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    top = place < CATEGORY_TOP
    rows["item"], rows["score"] = 0, 0
    rows["item"][sorted_rows[top], place[top]] = all_items[order][top]
    rows["score"][sorted_rows[top], place[top]] = all_scores[order][top]


def decayed(rows: Records, now_seconds: float) -> Shelf:
    """CATEGORY_TREND rows (R,) brought to ``now_seconds``."""
    log = np.where(rows["item"] != 0, rows["score"] - now_seconds / _HALF_LIFE, -np.inf)
    return Shelf(rows["item"], popularity(log))
