"""Why an item stands where it stands: contributions that add up to its score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.weights import INPUTS, OFFLINE, contributions

if TYPE_CHECKING:
    from streams.brain import Brain
    from streams.handlers.ranking import Ranked


def reasons(ranked: Ranked, places: NDArray[np.intp], brain: Brain) -> list[dict[str, float]]:
    """For each place of the ranked list: what each feature group of the offline ranker, and each weight of the
    online ranker (``online:…``), adds to the score. ``base`` is the same for the whole list.

    The values add up to the score, up to rounding. Groups that add nothing are left out.
    """
    if not len(places):
        return []
    explained = brain.ranker_for(ranked.plan).explain(ranked.rank_input)
    online = contributions(ranked.weights, ranked.inputs)
    offline = np.where(ranked.offline == 0, 1.0, ranked.offline)
    share = online[:, OFFLINE] / offline
    found = []
    for place in places.tolist():
        scale = float(share[place])
        why = {"base": explained.base * scale}
        for group, value in zip(explained.groups, explained.values[place].tolist(), strict=True):
            why[group] = value * scale
        for name, added in ranked.adjustments.items():
            why[name] = float(added[place])
        for name, value in zip(INPUTS[:OFFLINE], online[place, :OFFLINE].tolist(), strict=True):
            why[f"online:{name}"] = value
        found.append({name: round(value, 6) for name, value in why.items() if abs(value) >= 5e-7})
    return found
