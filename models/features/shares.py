"""How much of what the user looked at is of the item's category and brand."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from models.base.arrays import Floats, Rows
from models.features.base import Columns, Family, Inputs
from models.retrieval.sentences import BRAND, CATEGORY


class Shares(Family):
    """Share of the user's recent items in each candidate's category, department and brand."""

    groups: ClassVar = {
        "category": {
            "category_share": "share of the user's recent items in the item's category",
            "department_share": "share of the user's recent items in the item's topmost category",
            "category_basket_share": "share of the basket in the item's category",
        },
        "brand": {
            "brand_share": "share of the user's recent items of the item's brand",
        },
    }
    sentences: ClassVar = {"category": (CATEGORY,), "brand": (BRAND,)}

    def columns(self, of: Inputs) -> Columns:
        """Shares, 0 where an item has no category or brand."""
        catalogue, young = of.catalogue, of.young
        every, lately = np.float32(max(len(of.seen), 1)), np.float32(max(int(np.count_nonzero(young)), 1))
        mine, theirs = catalogue.category.take(of.rows), catalogue.category.take(of.seen)
        department, brand = catalogue.category_path[:, 0], catalogue.brand
        return {
            "category_share": _alike(mine, theirs) / every,
            "category_basket_share": _alike(mine, theirs[young]) / lately,
            "department_share": _alike(department.take(of.rows), department.take(of.seen)) / every,
            "brand_share": _alike(brand.take(of.rows), brand.take(of.seen)) / every,
        }


def _alike(mine: Rows, theirs: Rows) -> Floats:
    """How many of ``theirs`` each of ``mine`` is, (n,); none where it is below 0, which is no code."""
    counts = np.bincount(theirs + 1, minlength=int(mine.max(initial=-1)) + 2)
    counts[0] = 0
    return counts.take(mine + 1).astype(np.float32)
