"""The basket: which of the anchors the user has in hand now.

>>> from models.ask import Recent
>>> from models.sample import asked
>>> recent = Recent(rows=np.array([7, 9, 8], np.int32), age=np.array([4000, 5000, 90_000], np.float32))
>>> ask = asked("home", recent=recent, anchors=np.array([7, 9, 8], np.int32))
>>> in_hand(ask).tolist(), in_hand_or_last(ask).tolist()
([False, False, False], [True, True, False])
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.ask import Ask
from models.base.arrays import Mask, Rows

HOUR_S: Final = 3600.0


def in_hand(ask: Ask) -> Mask:
    """The anchors used within the last hour, and those that the query itself named, (anchors,)."""
    recent = ask.user.recent
    return _named(ask, recent.rows[recent.age < HOUR_S])


def in_hand_or_last(ask: Ask) -> Mask:
    """The same; where there are none, the anchors of the hour that ended with the user's newest event."""
    found = in_hand(ask)
    recent = ask.user.recent
    if found.any() or not len(recent.age):
        return found
    return _named(ask, recent.rows[recent.age - recent.age.min() < HOUR_S])


def _named(ask: Ask, young: Rows) -> Mask:
    count = max(len(ask.crowd.anchors), len(ask.crowd.anchor_mass))
    found = np.zeros(count, np.bool_)
    # some thirty of each: np.isin would take ten times as long
    own, seen = set(young.tolist()), set(ask.user.recent.rows.tolist())
    found[: len(ask.crowd.anchors)] = [row in own or row not in seen for row in ask.crowd.anchors.tolist()]
    return found
