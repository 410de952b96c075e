"""Small catalogues and asks for examples and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from models.ask import Ask, AskedQuery, AskedText, AskingUser, Crowd
from models.base.arrays import Doubles
from models.items.catalogue import Catalogue, Entry
from streamrank_client.vocabulary import COMPACT, WIDE, digest, key

_PARTS = {"query": AskedQuery, "text": AskedText, "user": AskingUser, "crowd": Crowd}


def asked(surface: str = "home", now: int = 0, **given: Any) -> Ask:
    """An ask from the fields of its parts, whichever part each belongs to; the rest is as nobody and nothing known.

    >>> ask = asked("search", asked="red tea", tokens=("red", "tea"), limit=5)
    >>> ask.text.tokens, ask.query.limit
    (('red', 'tea'), 5)
    """
    given |= {"surface": surface, "now": now}
    parts = {}
    for name, kind in _PARTS.items():
        own = {f.name: given.pop(f.name) for f in fields(kind) if f.name in given}
        parts[name] = kind(**own)
    return Ask(**parts, **given)


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


def sample_entry(title: str, **given: Any) -> Entry:
    """One such item; ``given`` replace fields of Entry."""
    wide = _unit(np.sum([_noise(word) for word in title.split()], axis=0))
    values: dict[str, Any] = {
        "item_id": title,
        "key": key(title),
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
        "compact": _unit(wide[:COMPACT]).astype("<f4").tobytes(),
    }
    return Entry(**(values | given))


def _noise(word: str) -> Doubles:
    return np.random.default_rng(digest(word)).standard_normal(WIDE)


def _unit(vector: Doubles) -> Doubles:
    return np.asarray(vector / np.linalg.norm(vector))
