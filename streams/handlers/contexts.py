"""Behaviour events: fold them into user contexts, and say what follows for items, queries and the ranker."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.items.catalogue import Catalogue
from models.text.words import normalise
from state import contexts, daily, keys, purchases
from state.event_ids import IdWindow
from state.impressions import StoredImpression
from state.impressions import decode as decode_impression
from state.marks import BehaviorMark
from state.records import CONTEXT
from streamrank_client.answers import DeadLetter
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import CODE_OF, Behavior, Dwell, Impression, ItemEvent, Rating, decode_behavior
from streamrank_client.vocabulary import (
    DAY_MS,
    IMPRESSION,
    KINDS,
    PURCHASE,
    dwell_interest,
    event_key,
    key,
    rating_interest,
)
from streams.handlers.decoding import Decoded, dead_letter, decode_batch
from streams.handlers.feedback import join
from streams.handlers.outcomes import Outcome, outcomes
from streams.handlers.pairs import pairs_of
from streams.handlers.steps import Values
from streams.handlers.unwanted import Unwanted
from streams.policy.deployment import Deployment
from streams.wire.feedback import Feedback
from streams.wire.messages import Batch, Message
from streams.wire.packing import pack
from streams.wire.signals import CHOICE, TAKEN_BACK, TOUCH, Signals

Reads = Generator[list[bytes], Values, "ContextChanges"]

#: interest that a behaviour shows, by kind's code; a valued kind's depends on its value
_INTEREST: Final = np.array([kind.interest for kind in KINDS], np.float32)
_VALUED: Final = np.array([kind.valued for kind in KINDS])
user_id = attrgetter("user_id")


@dataclass(slots=True)
class ContextChanges:
    """What one behaviour batch leads to. ``pairs``: key, value, … to store with ``mark``; ``ids``: of the events
    accepted; ``repeated``: how many were not, because their id was counted before; ``unknown``: how many of those
    accepted are on items that the catalogue does not hold; ``messages``: for other partitions of behavior-events;
    ``identified``: how many visitors' histories were added; ``outcomes`` by arm.
    """

    pairs: list[bytes]
    mark: BehaviorMark
    ids: list[int]
    signals: dict[int, Signals]
    feedback: list[Feedback]
    dead: list[DeadLetter]
    repeated: int
    unknown: int = 0
    messages: list[Message] = field(default_factory=list)
    identified: int = 0
    outcomes: dict[Outcome, float] = field(default_factory=dict)


def on_behavior(
    records: Batch,
    mark: BehaviorMark,
    window: IdWindow,
    partition: int,
    catalogue: Catalogue,
    deployment: Deployment,
) -> Reads:
    """Fold a partition's records into their users' contexts.

    ``mark``: the stored watermark, at which the batch begins; ``window``: the event ids counted lately. Yields the keys
    of contexts and impressions, is sent their values, returns the changes.
    """
    topic = deployment.topics.behavior_events.name
    batch = decode_batch(records, decode_behavior, user_id, topic, partition)
    newest = _reject_future(batch, mark.newest, topic, partition)
    usable = len(batch.events)
    ids = _reject_repeated(batch, window)
    acts = _Acts(batch, catalogue)

    users = list(dict.fromkeys(map(user_id, batch.events)))
    requests = list(dict.fromkeys(e.request_id for e in acts.events if e.request_id))
    p = partition
    acts.place({u: i for i, u in enumerate(users)})
    bought = np.flatnonzero(acts.columns.kind == PURCHASE)
    buyers, who = np.unique(acts.columns.user[bought], return_inverse=True)
    unwanted = Unwanted(acts.columns)
    busy = [keys.daily(p, u) for u in users] if deployment.user_daily else []
    wanted = (
        [keys.context(p, u) for u in users],
        busy,
        [keys.purchases(p, users[b]) for b in buyers.tolist()],
        [keys.dislikes(p, users[u]) for u in unwanted.users.tolist()],
        [keys.impression(p, r) for r in requests],
    )
    values = iter((yield [name for some in wanted for name in some]))
    held, days_of, owned, disliked, impressions = (list(islice(values, len(some))) for some in wanted)
    rows = context_rows(held)
    shown = {r: decode_impression(v) for r, v in zip(requests, impressions, strict=True) if v is not None}
    days = acts.columns.time[bought] // DAY_MS
    kept = list(zip(wanted[2], purchases.fold(owned, who, acts.columns.item[bought], days), strict=True))
    kept += [pair for pair in zip(wanted[3], unwanted.fold(disliked), strict=True) if pair[1]]
    counted = np.ones(len(acts.events), np.int8)
    if busy:
        daily_rows = daily.read(days_of)
        counted = daily.counted(rows, daily_rows, acts.columns, deployment.user_daily)
        kept += [(busy[n], daily_rows[n].tobytes()) for n in np.flatnonzero(daily_rows["day"]).tolist()]

    base = batch.records[0].offset if batch.records else 0
    pairs = pairs_of(rows, acts.columns, acts.offsets - base)
    choices, texts = _choices(acts, shown, base, counted)
    contexts.fold(rows, acts.columns)
    if len(acts.events) < len(batch.events):
        _count_impressions(rows, batch.events, users)
    signals = pack(
        p,
        base,
        pairs,
        _touches(acts, batch, base, counted, deployment.user_daily),
        choices,
        deployment.partitions,
        texts,
    )
    return ContextChanges(
        pairs=_stored(rows, users, p) + [part for pair in kept for part in pair] + window.changed(p, ids),
        mark=mark.moved(records.next_offset, mark.accepted + len(ids), newest),
        ids=ids,
        signals=signals,
        feedback=join(acts.events, acts.offsets, shown, p, deployment.join_ms, deployment.skew_ms) if shown else [],
        dead=batch.dead,
        repeated=usable - len(ids),
        unknown=int((acts.columns.vector < 0).sum()),
        outcomes=outcomes(acts.events, shown, deployment.join_ms, deployment.skew_ms) if shown else {},
    )


def context_rows(values: Values) -> NDArray[np.void]:
    """Stored contexts as writable rows, new ones for None."""
    blank = bytes(CONTEXT.itemsize)
    return np.frombuffer(bytearray(b"".join([v if v is not None else blank for v in values])), CONTEXT)


def _stored(rows: NDArray[np.void], users: list[str], partition: int) -> list[bytes]:
    raw, size = rows.tobytes(), CONTEXT.itemsize
    pairs: list[bytes] = []
    for i, user in enumerate(users):
        pairs += (keys.context(partition, user), raw[i * size : (i + 1) * size])
    return pairs


def _reject_future(batch: Decoded[Behavior], newest: int, topic: str, partition: int) -> int:
    """Dead letters for times more than a day ahead; returns the newest time accepted.

    Ahead of what: of the partition's newest event and of the record's own arrival, whichever is later; a
    partition that was silent for days, or an old log published now, is not the future.
    """
    times = [e.time for e in batch.events]
    latest = max(times, default=newest)
    if latest <= newest + DAY_MS or latest <= min(r.timestamp_ms for r in batch.records) + DAY_MS:
        return max(newest, latest)
    kept_events, kept_records = [], []
    for event, record in zip(batch.events, batch.records, strict=True):
        if event.time > max(newest, record.timestamp_ms) + DAY_MS:
            error = InvalidEvent("future", "time", f"{event.time} is more than a day ahead of the newest, {newest}")
            batch.dead.append(dead_letter(record, error, topic, partition))
            continue
        newest = max(newest, event.time)
        kept_events.append(event)
        kept_records.append(record)
    batch.events, batch.records = kept_events, kept_records
    return newest


def _reject_repeated(batch: Decoded[Behavior], window: IdWindow) -> list[int]:
    """Drop events that were counted before; returns the ids of the others, in order.

    The lines of an order may share an ``event_id``: another item, kind or user is another event. Windows of earlier
    versions hold the key of the ``event_id`` alone.
    """
    ids = [event_key(e.event_id, KINDS[CODE_OF[type(e)]].name, e.user_id, _item_of(e)) for e in batch.events]
    before = [key(e.event_id) for e in batch.events]
    if len(set(ids)) == len(ids) and window.isdisjoint(ids) and window.isdisjoint(before):
        return ids
    seen: set[int] = set()
    keep = []
    for i, event_id in enumerate(ids):
        if event_id not in seen and event_id not in window and before[i] not in window:
            keep.append(i)
        seen.add(event_id)
    batch.events = [batch.events[i] for i in keep]
    batch.records = [batch.records[i] for i in keep]
    return [ids[i] for i in keep]


def _item_of(event: Behavior) -> str:
    return "" if isinstance(event, Impression) else event.item_id


class _Acts:
    """The events on one item each (all but impressions), as columns."""

    def __init__(self, batch: Decoded[Behavior], catalogue: Catalogue) -> None:
        kind = np.array([CODE_OF[type(e)] for e in batch.events], np.uint8)
        picked = np.flatnonzero(kind != IMPRESSION)
        all_: list[ItemEvent] = batch.events  # type: ignore[assignment]
        self.events = events = all_ if len(picked) == len(all_) else [all_[n] for n in picked.tolist()]
        self.offsets = np.array([r.offset for r in batch.records], np.int64)[picked]
        kind = kind[picked]
        item = np.array([key(e.item_id) for e in events], np.uint64)
        self.value = np.ones(len(events), np.float32)
        weight = _INTEREST[kind]
        for i in np.flatnonzero(_VALUED[kind]):
            weight[i], self.value[i] = _valued(events[i])
        self.columns = contexts.EventColumns(
            user=np.zeros(len(events), np.intp),
            item=item,
            time=np.array([e.time for e in events], np.int64),
            kind=kind,
            weight=weight,
            vector=catalogue.rows(item).astype(np.intp),
            vectors=catalogue.compact,
            encoder=contexts.encoder_id(catalogue.encoder),
        )

    def place(self, users: dict[str, int]) -> None:
        """Set each event's context row."""
        self.columns.user = np.array([users[e.user_id] for e in self.events], np.intp)


def _valued(event: ItemEvent) -> tuple[float, float]:
    """Interest and value of an event of a valued kind: a rating's stars, a dwell's seconds."""
    if isinstance(event, Rating):
        return rating_interest(event.value), event.value
    assert isinstance(event, Dwell)
    return dwell_interest(event.milliseconds), event.milliseconds / 1000


def _count_impressions(rows: NDArray[np.void], events: list[Behavior], users: list[str]) -> None:
    place = {u: i for i, u in enumerate(users)}
    for event in events:
        if type(event) is Impression:
            row = rows[place[event.user_id]]
            row["counts"][IMPRESSION] += 1
            row["last"] = max(int(row["last"]), event.time)


def _touches(
    acts: _Acts, batch: Decoded[Behavior], base: int, counted: NDArray[np.int8], most: int
) -> NDArray[np.void]:
    columns = acts.columns
    touches = np.zeros(len(acts.events), TOUCH)
    touches["item"], touches["time"] = columns.item, columns.time // 1000
    touches["offset"], touches["value"], touches["kind"] = acts.offsets - base, acts.value, columns.kind
    back = np.repeat(touches[counted < 0], most)
    back["kind"] |= TAKEN_BACK
    touches = np.concatenate([touches[counted > 0], back])
    if len(acts.events) == len(batch.events):
        return touches
    seen = [
        (key(item), e.time // 1000, r.offset - base, 1.0, IMPRESSION)
        for e, r in zip(batch.events, batch.records, strict=True)
        if type(e) is Impression
        for item in e.item_ids
    ]
    return np.concatenate([touches, np.array(seen, TOUCH)]) if seen else touches


def _choices(
    acts: _Acts, shown: dict[str, StoredImpression], base: int, counted: NDArray[np.int8]
) -> tuple[NDArray[np.void], dict[int, str]]:
    """What was chosen after a query's text (the event's own, else that of the query it answers), and the texts; of
    events that are ``counted``.
    """
    rows = []
    texts: dict[int, str] = {}
    named = [i for i, e in enumerate(acts.events) if counted[i] > 0 and (e.query or e.request_id in shown)]
    for i in named:
        event = acts.events[i]
        text = event.query
        if text is None and event.request_id is not None and event.request_id in shown:
            text = shown[event.request_id].text
        if text and acts.columns.weight[i] > 0:
            text = normalise(text)
            query = key(text)
            texts[query] = text
            weight = float(acts.columns.weight[i])
            rows.append((query, acts.columns.item[i], weight, event.time // 1000, acts.offsets[i] - base, 0))
    return np.array(rows, CHOICE), texts
