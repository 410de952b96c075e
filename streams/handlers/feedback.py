"""Feedback: behaviour joined to the impression that it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.base.arrays import Ints
from models.features.registry import FEATURES, INDEX
from models.learning.loss import usual_place
from models.ranking.weights import inputs_of, opens
from models.retrieval.sources.registry import SOURCES
from state.impressions import StoredImpression
from streamrank_client.events import CODE_OF, ItemEvent
from streamrank_client.fields import Place
from streamrank_client.vocabulary import KINDS
from streams.wire.feedback import Feedback, packed_impression


def belongs(event: ItemEvent, impression: StoredImpression, join_ms: int, skew_ms: int) -> bool:
    """Whether an event that names the impression's request is of its user, on one of its items, and in time: at most
    ``join_ms`` after it, or ``skew_ms`` before it by another clock.
    """
    return (
        -skew_ms <= event.time - impression.time <= join_ms
        and event.user_id == impression.user_id
        and event.item_id in impression.items
    )


def join(
    events: Sequence[ItemEvent],
    offsets: Ints,
    shown: Mapping[str, StoredImpression],
    partition: int,
    join_ms: int,
    skew_ms: int,
) -> list[Feedback]:
    """The examples in a partition's events: those that belong to the impression of the request that they name."""
    found = []
    for event, offset in zip(events, offsets.tolist(), strict=True):
        kind = KINDS[CODE_OF[type(event)]]
        impression = shown.get(event.request_id) if kind.feedback and event.request_id else None
        if impression is None or not belongs(event, impression, join_ms, skew_ms):
            continue
        if impression.features.shape[1:] != (len(FEATURES),):
            continue  # stored before an update: its columns are others
        position = impression.items.index(event.item_id)
        exchange = impression.exchange
        up, down = exchange[position].tolist() if exchange is not None else (0.0, 0.0)
        found.append(
            Feedback(
                source=Place(partition, offset),
                surface=impression.surface,
                request_id=impression.request_id,
                user_id=event.user_id,
                item_id=event.item_id,
                kind=kind.name,
                time=event.time,
                weight=kind.feedback,
                chosen=position,
                propensity=impression.propensities[position],
                arm=impression.arm,
                items=impression.items,
                inputs=inputs_of(impression.features, impression.offline).tolist(),
                experiment=impression.experiment,
                up=up,
                down=down,
                shown=packed_impression(impression) if impression.sampled is not None else b"",
                scored=[name for name in SOURCES if impression.features[:, INDEX[name]].any()],
                opening=opens(impression.surface, impression.features),
                usual=usual_place(impression.features, position),
            )
        )
    return found
