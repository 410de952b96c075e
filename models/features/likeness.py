"""How like each candidate is to what the user took or looked for: cosines of texts, images and tower vectors."""

from __future__ import annotations

import numpy as np

from models.ask import Ask
from models.base.arrays import Floats
from models.features.groups import Columns, Lookup
from models.items.images import Images
from models.tower.column import TowerColumn


def interest(ask: Ask, look: Lookup, compact: Floats) -> Columns:
    """Cosines with the user's interests, the newest items and the query's text."""
    targets = np.zeros((5, look.vectors.shape[1]), np.float32)
    targets[0], targets[1] = ask.user.short, ask.user.long
    liked = look.seen[look.weight > 0][:5]
    if len(liked):
        targets[2] = compact[liked[0]]
        targets[3] = _unit(compact[liked].mean(axis=0))
    if ask.text.compact is not None:
        targets[4] = ask.text.compact
    cosines = look.vectors @ targets.T
    names = ("like_short_interest", "like_long_interest", "like_newest", "like_newest_5", "like_text")
    return {name: cosines[:, place] for place, name in enumerate(names)}


def looks(look: Lookup, images: Images) -> Columns:
    """Cosine of the image with that of the newest liked item that has one; 0 where either is missing."""
    liked = images.having(look.seen[look.weight > 0])[:1]
    if not len(liked):
        return {"like_image_newest": np.zeros(len(look.rows), np.float32)}
    return {"like_image_newest": images.cosines(look.rows, images.vectors(liked)[0])}


def tower_likeness(look: Lookup, tower: TowerColumn | None) -> Columns:
    """Cosine of the item tower's vector with that of the newest liked item; 0 where there is no tower or no item."""
    liked = look.seen[look.weight > 0][:1]
    if tower is None or not len(liked):
        return {"like_tower_newest": np.zeros(len(look.rows), np.float32)}
    return {"like_tower_newest": np.einsum("ij,j->i", tower.take(look.rows), tower.take(liked)[0])}


def _unit(vector: Floats) -> Floats:
    length = max(float(np.linalg.norm(vector)), 1e-9)
    unit: Floats = np.divide(vector, length, dtype=np.float32)
    return unit
