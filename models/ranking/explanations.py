"""Why an item stands where it stands: contributions that add up to its score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.ranking.ranker import Ranker, RankInput
from models.ranking.weights import INPUTS, OFFLINE, OnlineWeights, inputs_of, scaled

#: contributions are given with so many digits after the point; smaller ones are left out
DIGITS: Final = 6
#: the line of what those candidates change among which an answer was not explained
NOT_EXPLAINED: Final = "not_explained"
LEAST: Final = 0.5 * 10.0**-DIGITS


def reasons(
    ranker: Ranker,
    rank_input: RankInput,
    offline: Floats,
    weights: OnlineWeights,
    adjustments: Mapping[str, Floats],
    places: NDArray[np.intp],
) -> list[dict[str, float]]:
    """For each of ``places`` in a list: what adds up to its score, by name, to within 1e-4.

    ``base``, the same for the whole list; each source and each other feature group of the offline ranker
    (``models.features.registry.GROUPS``), by ``Ranker.explain``; each weight of the online ranker (``online:…``); each
    adjustment. ``offline`` (n,): the offline scores as served; ``adjustments``: (n,) by name. What the online
    ranker makes of the offline score as a whole is shared out among base and groups. Names that add nothing are
    left out.
    """
    if not len(places):
        return []
    explained = ranker.explain(rank_input, offline)
    online = scaled(inputs_of(rank_input.features, offline), np.array(weights.scale)) * np.array(weights.weights)
    share = _share(online[:, OFFLINE], offline, weights).tolist()
    found = []
    for place in places.tolist():
        why = {"base": explained.base * share[place]}
        why |= dict(zip(explained.groups, (share[place] * explained.values[place]).tolist(), strict=True))
        why |= {f"online:{name}": value for name, value in zip(INPUTS, online[place].tolist(), strict=True)}
        del why[f"online:{INPUTS[OFFLINE]}"]
        why |= {name: float(added[place]) for name, added in adjustments.items()}
        found.append({name: round(value, DIGITS) for name, value in why.items() if abs(value) >= LEAST})
    return found


def _share(online: NDArray[np.float64], offline: Floats, weights: OnlineWeights) -> NDArray[np.float64]:
    """What the online ranker makes of one point of each offline score, (n,)."""
    slope = weights.weights[OFFLINE] / weights.scale[OFFLINE]
    some = offline != 0
    return np.where(some, online / np.where(some, offline, 1.0), slope)
