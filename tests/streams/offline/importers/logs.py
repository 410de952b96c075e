"""What every importer's log must be, as one assertion that the data sets' tests share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from streamrank_client.events import Click, Event, Item, Purchase, Query, Rating, decode_event, encode


def assert_log(events: Iterable[Event]) -> Counter[str]:
    """Assert that the log is sorted, valid, with unique ids and items before their use; count its tags."""
    counts: Counter[str] = Counter()
    time = 0
    arrived: dict[str | None, int] = {}
    ids: set[str] = set()
    for event in events:
        counts[str(event.__struct_config__.tag)] += 1
        assert event.time >= time, f"{event} comes after a later event"
        time = event.time
        assert decode_event(encode(event)) == event
        if isinstance(event, Item):
            assert event.item_id not in arrived, f"item {event.item_id} came twice"
            arrived[event.item_id] = event.time
            continue
        assert isinstance(event, Query | Click | Purchase | Rating)
        name = event.request_id if isinstance(event, Query) else event.event_id
        assert name not in ids, f"id {name} came twice"
        ids.add(name)
        if event.item_id in arrived:
            assert arrived[event.item_id] < event.time, f"{event} is not after its item"
            counts["known"] += 1
    return counts
