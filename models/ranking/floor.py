"""What a ranker that learnt another shop's log stands on, until one has learnt this shop's: a fixed sum of shares.

    strength x sum over parts of  weight x (feature / n^rarity) / the list's largest

n is how often the item was viewed, clicked, put in a basket and bought.

What went with the user's items means the same in every shop, as a share of the list's best; what a network learnt of
a log's magnitudes does not (docs/decisions/0037). Searches have a base of their own
(``models.ranking.adjustments.by_text``), and none of this.

>>> features = np.zeros((3, len(INDEX)), np.float32)
>>> features[:, INDEX["covisits"]] = [2, 1, 0]
>>> floor = Floor(4.0, {"covisits": Part(1.0)})
>>> floor.of(features).tolist()
[4.0, 2.0, 0.0]
>>> features[:, INDEX["has_text"]] = 1
>>> floor.of(features).tolist()
[0.0, 0.0, 0.0]
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.base.arrays import Floats
from models.base.artifact import Artifact, write
from models.features.registry import INDEX

#: The file of an artifact that holds its floor; rankers of a shop's own log have none.
FLOOR_FILE: Final = "floor.json"
_EVENTS: Final = [INDEX[name] for name in ("views", "clicks", "carts", "purchases")]


class Part(msgspec.Struct, frozen=True):
    """A feature's ``weight``, and the power of the item's events that divides it."""

    weight: float
    rarity: float = 0.0


class Floor(msgspec.Struct, frozen=True):
    """``parts``: by the feature's name; ``strength``: log odds that a whole part of weight 1 adds."""

    strength: float
    parts: dict[str, Part]

    def of(self, features: Floats) -> Floats:
        """What each candidate gets, (n,), by its features (n, F) in the order of ``FEATURES``."""
        if not len(features) or features[0, INDEX["has_text"]]:
            return np.zeros(len(features), np.float32)
        events = np.expm1(features[:, _EVENTS].astype(np.float64)).sum(axis=1) + 1
        total = np.zeros(len(features))
        for name, part in self.parts.items():
            values = np.maximum(features[:, INDEX[name]], 0) / events**part.rarity
            total += part.weight * values / max(float(values.max()), 1e-30)
        floor: Floats = (self.strength * total).astype(np.float32)
        return floor


#: Chosen on MovieLens and Online Retail, which the shipped ranker has not learnt.
FLOOR: Final = Floor(3.0, {"basket_cosine": Part(1.0, rarity=0.25), "wide_newest": Part(1.0)})


def for_others(ranker: Artifact, path: Path | str, floor: Floor = FLOOR) -> Artifact:
    """Write a trained ranker to ``path`` with a floor under it, for shops whose log it has not learnt."""
    files: dict[str, bytes | Path] = {name: ranker.file(name) for name in ranker.manifest.files}
    return write(path, ranker.manifest, {**files, FLOOR_FILE: msgspec.json.encode(floor)})
