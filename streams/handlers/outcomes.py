"""Outcomes: what users did with the answers of each arm, counted for the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from state.impressions import StoredImpression
from streamrank_client.events import AddToCart, Click, Dwell, ItemEvent, Purchase
from streams.handlers.feedback import belongs

#: the kinds that are counted; of a dwell its seconds
COUNTED: Final = {Click: "click", AddToCart: "add_to_cart", Purchase: "purchase", Dwell: "dwell"}


class Outcome(NamedTuple):
    """A kind of behaviour on answers of one arm; ``experiment`` is "" for answers that took part in none."""

    experiment: str
    arm: str
    kind: str


def outcomes(
    events: Sequence[ItemEvent], shown: Mapping[str, StoredImpression], join_ms: int, skew_ms: int
) -> dict[Outcome, float]:
    """How many clicks, add-to-carts and purchases, and how many seconds of dwell, belong to answers of each arm."""
    found: dict[Outcome, float] = {}
    for event in events:
        kind = COUNTED.get(type(event))
        impression = shown.get(event.request_id) if kind and event.request_id else None
        if impression is None or kind is None or not belongs(event, impression, join_ms, skew_ms):
            continue
        outcome = Outcome(impression.experiment, impression.arm, kind)
        value = event.milliseconds / 1000 if isinstance(event, Dwell) else 1.0
        found[outcome] = found.get(outcome, 0.0) + value
    return found
