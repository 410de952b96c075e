"""Every family of features, and what follows from them: the names of all features, their order and their groups.

``explain`` shows groups and meanings; artifacts name the features that they take, so that one that is added changes
nothing for a ranker that does not know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.base.plugins import installed
from models.features.base import Family
from models.features.interest import InterestLikeness
from models.features.looks import Looks
from models.features.neighbours import NeighbourShares
from models.features.newness import Newness
from models.features.own_history import OwnHistory
from models.features.price import PriceFeatures
from models.features.rhythm import PurchaseRhythm
from models.features.shares import Shares
from models.features.situation import Situation
from models.features.tower_likeness import TowerLikeness
from models.features.track_record import TrackRecord
from models.retrieval.sources.registry import SOURCES

#: Goes up when a feature is renamed or computed differently: a ranker of another version refuses.
FEATURES_VERSION: Final = "2"

FAMILIES: Final[tuple[Family, ...]] = (
    NeighbourShares(),
    InterestLikeness(),
    TrackRecord(),
    Newness(),
    PurchaseRhythm(),
    OwnHistory(),
    Shares(),
    PriceFeatures(),
    Situation(),
    Looks(),
    TowerLikeness(),
    *installed("streamrank.features", Family),  # type: ignore[type-abstract]
)
#: The order in which groups are revealed when a score is explained; those not named here follow.
_ORDER: Final = (
    "query_clicks", "covisits", "neighbours", "covisits_wide", "context", "interest", "semantic", "meaning", "lexical",
    "trending", "trending_category", "popular", "repurchase", "rhythm", "new_arrivals", "popularity", "track_record",
    "own_history", "category", "brand", "price", "newness", "situation", "image", "looks", "query_neighbours", "tower",
    "tower_likeness", "covisits_basket",
)  # fmt: skip


def _meanings() -> Mapping[str, Mapping[str, str]]:
    """What each feature means, by group, in the order of explanations; a source's score is a group of its own."""
    groups: dict[str, dict[str, str]] = {
        source.name: {source.name: f"score of the source {source.name}: {source.meaning}"}
        for source in SOURCES.values()
    }
    for family in FAMILIES:
        for group, features in family.groups.items():
            groups.setdefault(group, {}).update(features)
    return {name: groups[name] for name in dict.fromkeys((*_ORDER, *groups))}


_MEANINGS: Final = _meanings()
#: Each group is one line of an explanation; a feature stands in exactly one.
GROUPS: Final[dict[str, tuple[str, ...]]] = {group: tuple(features) for group, features in _MEANINGS.items()}
#: All features, in the order of a candidate's row.
FEATURES: Final = tuple(name for group in GROUPS.values() for name in group)
INDEX: Final = {name: place for place, name in enumerate(FEATURES)}
#: What each feature is, in a line.
MEANING: Final = {name: meaning for features in _MEANINGS.values() for name, meaning in features.items()}
