"""Small catalogues for examples and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from models.catalogue import NARROW, WIDE, Catalogue, Entry


def sample(titles: Sequence[str], dim: int = 0, **columns: Sequence[Any]) -> Catalogue:
    """A catalogue of items whose ids are their titles; ``columns`` hold one value a title for fields of
    Entry, ``dim`` is that of their images.

    A title's words (split at spaces) have random vectors and the title's is their sum, so that titles that
    share words are near each other.

    >>> sample(["red tea", "green tea"], price=[1.0, 2.0]).price.tolist()
    [1.0, 2.0]
    """
    catalogue = Catalogue(capacity=max(len(titles), 1), image_dim=dim)
    catalogue.upsert(
        [sample_entry(t, **{name: column[i] for name, column in columns.items()}) for i, t in enumerate(titles)]
    )
    return catalogue


def sample_entry(title: str, **fields: Any) -> Entry:
    """One such item; ``fields`` replace those of Entry."""
    wide = _unit(np.sum([_noise(word) for word in title.split()], axis=0))
    values: dict[str, Any] = {
        "item_id": title,
        "key": xxh3_64_intdigest(title.encode()) or 1,
        "time": 0,
        "title": title,
        "category": [],
        "brand": "",
        "price": None,
        "list_price": None,
        "in_stock": True,
        "attributes": {},
        "tokens": title.split(),
        "vector": wide.astype("<f2").tobytes(),
        "compact": _unit(wide[:NARROW]).astype("<f4").tobytes(),
    }
    return Entry(**(values | fields))


def _noise(word: str) -> np.ndarray:
    return np.random.default_rng(xxh3_64_intdigest(word.encode())).standard_normal(WIDE)


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))
