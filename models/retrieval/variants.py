"""Variants: items of one group (colours, sizes of one product), of which one is shown.

>>> first_of_groups(np.array([-1, 4, 4, -1, 2, 4], np.int32)).tolist()
[0, 1, 3, 4]
"""

from __future__ import annotations

import numpy as np

from models.ask import Weighted
from models.base.arrays import Places, Rows
from models.items.catalogue import Catalogue
from models.retrieval.sources.base import Search, Source
from models.retrieval.sources.registry import SOURCES

#: each time that a list holds too many variants, it is asked to be so many times as long
WIDER = 4


def first_of_groups(groups: Rows) -> Places:
    """Places of the first of each group (-1: an item of its own), ascending."""
    _, first = np.unique(groups, return_index=True)
    kept = groups < 0
    kept[first] = True
    return np.flatnonzero(kept)


def without_variants(source: Source, search: Search, k: int) -> Weighted:
    """A source's candidates, ``k`` at most and of each group the best one, however many variants there are."""
    catalogue = search.catalogue
    wanted = k
    found = source.candidates(search, wanted)
    if not len(catalogue.groups):
        return found
    first = first_of_groups(catalogue.group[found.rows])
    while len(first) < k and wanted <= len(found.rows):
        wanted *= WIDER
        found = source.candidates(search, wanted)
        first = first_of_groups(catalogue.group[found.rows])
    return Weighted(found.rows[first[:k]], found.weight[first[:k]])


def chosen(search: Search, rows: Rows) -> Places:
    """Places of the rows to keep, one of each group where its first stands: the one that holds most of the text, else
    the first. ``rows``: distinct, best first.
    """
    groups = search.catalogue.group[rows]
    kept = first_of_groups(groups)
    if len(kept) == len(rows):
        return kept
    several = np.flatnonzero(np.isin(groups, groups[np.setdiff1d(np.arange(len(rows)), kept)]))
    words = SOURCES["lexical"].score(search, rows[several])
    best: dict[int, tuple[float, int]] = {}
    for place, group, share in zip(several.tolist(), groups[several].tolist(), words.tolist(), strict=True):
        if group not in best or share > best[group][0]:
            best[group] = share, place
    return np.array(
        [best.get(group, (0.0, place))[1] for place, group in zip(kept, groups[kept], strict=True)], np.intp
    )


def beside_pins(rows: Rows, pinned: Rows, catalogue: Catalogue) -> Places:
    """Places of the rows that are no variants of a pinned one, unless they are pinned themselves."""
    groups = catalogue.group[pinned]
    return np.flatnonzero(~np.isin(catalogue.group[rows], groups[groups >= 0]) | np.isin(rows, pinned))
