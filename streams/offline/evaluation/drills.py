"""Drills: what happens to the answers when, in the middle of the tested half, sources die or tastes turn over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from models.evaluate.journal import Journal
from models.evaluate.strikes import struck_at
from models.retrieval.sources.registry import SOURCES
from streamrank_client.errors import SettingsError
from streamrank_client.logs import Line

TASTES: Final = "tastes"
#: items of about the same popularity that trade places when tastes turn over
BAND: Final = 20

_decode = msgspec.json.Decoder(dict[str, object]).decode


def check(drill: str | None, sources: Sequence[str]) -> None:
    """Raise SettingsError where ``drill`` is neither `tastes` nor names sources in use."""
    known = [name for name in SOURCES if name in sources]
    for name in dying(drill):
        if name not in known:
            raise SettingsError(f"--drill: {name!r} is none: name {TASTES}, or sources in use: {', '.join(known)}")


def dying(drill: str | None) -> tuple[str, ...]:
    """The sources that die, by the drill's name.

    >>> dying("covisits,covisits_wide"), dying("tastes"), dying(None)
    (('covisits', 'covisits_wide'), (), ())
    """
    return () if drill in (None, TASTES) else tuple(name.strip() for name in str(drill).split(","))


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
    for row in range(struck_at(journal), len(journal)):
        place = int(journal.line[row])
        event = _decode(lines[place].raw)
        event["item_id"] = journal.items[other[journal.item[row]]]
        turned[place] = Line(lines[place].number, msgspec.json.encode(event))
    return turned
