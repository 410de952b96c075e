"""Drills: what happens to the answers when, in the middle of the tested half, a source dies or tastes turn over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from models.evaluate.journal import Journal
from models.sources import SOURCES
from streams.errors import SettingsError
from streams.log import Line

TASTES: Final = "tastes"
#: share of the events after which a drill strikes
STRIKES: Final = 0.75
#: items of about the same popularity that trade places when tastes turn over
BAND: Final = 20

_decode = msgspec.json.Decoder(dict[str, object]).decode


def check(drill: str | None, sources: Sequence[str]) -> None:
    """Raise SettingsError where ``drill`` is neither `tastes` nor a source in use."""
    known = [name for name in SOURCES if name in sources]
    if drill is not None and drill not in (TASTES, *known):
        raise SettingsError(f"--drill: {drill!r} is none: name {TASTES}, or a source in use: {', '.join(known)}")


def turn_over(lines: Sequence[Line], journal: Journal, seed: int) -> list[Line]:
    """Ordered ``lines`` in which, from the drill on, items of about equal popularity trade places.

    Popularity stays as it was; who likes what, and what goes with what, does not. Item events stay.
    """
    counts = np.bincount(journal.item, minlength=len(journal.items))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    rng = np.random.default_rng(seed)
    other = np.arange(len(journal.items))
    for start in range(0, len(order), BAND):
        band = order[start : start + BAND]
        other[band] = rng.permutation(band)
    turned = list(lines)
    for row in range(int(len(journal) * STRIKES), len(journal)):
        place = int(journal.line[row])
        event = _decode(lines[place].raw)
        event["item_id"] = journal.items[other[journal.item[row]]]
        turned[place] = Line(lines[place].number, msgspec.json.encode(event))
    return turned
