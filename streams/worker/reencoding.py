"""What another encoder encoded is encoded again, in slices beside all other work: items by the owner of their
partition, which publishes them; texts of known queries by every worker that searches, for itself.

An item's newer event wins: it is published by the same worker under the same lock, which takes the item off the list;
and an item of which Redis holds something newer is left to the entry that is on its way. Only the owner encodes an
item, so two workers with different encoders do not answer each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from time import monotonic
from typing import Final

import msgspec
import structlog

from models.items.entries import decode_entry, encode_entry
from state.keys import item_times
from streamrank_client.partitioner import partition_for
from streams.handlers.reencoding import HeldEntry, encoded_again, held_entry
from streams.wire.messages import Message
from streams.worker.stages.base import Workplace
from streams.worker.stages.items import SLICE

log = structlog.get_logger(__name__)

#: a slice while queries come in, after which as much time goes to them as it took
BUSY_SLICE: Final = 4


class Reencoding:
    """Encodes again what ``tables`` holds of another encoder."""

    def __init__(self, at: Workplace, owned: Callable[[], Collection[int]], publishing: asyncio.Lock) -> None:
        """``owned``: the partitions of item-events that are this worker's now; ``publishing``: held by the stage that
        publishes items while it does.
        """
        self._at = at
        self._owned = owned
        self._publishing = publishing

    def say(self) -> None:
        """A line in the log where there is anything to do."""
        foreign = self._at.tables.foreign
        if foreign.items or foreign.queries:
            log.warning(
                "vectors of another encoder count as absent until they are made anew, which has begun: items without "
                "one are found by their words",
                items=len(foreign.items),
                known_queries=len(foreign.queries),
                encoder=self._at.tables.models.catalogue.encoder,
            )

    async def round(self) -> int:
        """Encode what is there to be encoded now; returns how many items were published."""
        foreign = self._at.tables.foreign
        began, done = monotonic(), 0
        topic = self._at.deployment.topics.item_events
        owned = self._owned()
        names = [name for name in foreign.items if partition_for(name.encode(), topic.partitions) in owned]
        for some in self._slices(names):
            start = monotonic()
            done += await self._items(some)
            await self._rest(start)
        for some in self._slices(list(foreign.queries)):
            start = monotonic()
            await self._queries(some)
            await self._rest(start)
        if done:
            spent = monotonic() - began
            log.info("items encoded again", items=done, seconds=round(spent, 1), left=len(foreign.items))
        return done

    def _slices(self, names: Sequence[str]) -> Iterator[Sequence[str]]:
        start = 0
        while start < len(names):
            size = BUSY_SLICE if self._at.traffic.busy else SLICE
            yield names[start : start + size]
            start += size

    async def _rest(self, start: float) -> None:
        """Leave the processor to queries for as long as the last slice took, if any come in."""
        self._at.metrics.to_encode.set(len(self._at.tables.foreign.items))
        await asyncio.sleep(monotonic() - start if self._at.traffic.busy else 0)

    async def _items(self, names: Sequence[str]) -> int:
        """Encode some items beside the event loop, and publish those that nothing newer has come for."""
        tables = self._at.tables
        before = await self._held(names)
        await asyncio.to_thread(tables.models.encoder.encode, [one.text for one in before], passages=True)
        async with self._publishing:
            # the encoder remembers their texts
            now = [one for one in await self._held(names) if not one.newer]
            listed = {one.entry.item_id: tables.foreign.items[one.entry.item_id] for one in now}
            target = self._at.deployment.topics.catalogue.name
            entries = encoded_again(now, tables.models)
            await self._at.publisher.publish([Message(target, e.item_id.encode(), encode_entry(e)) for e in entries])
            tables.foreign.published(name for name in listed if tables.foreign.items.get(name) is listed[name])
        return len(entries)

    async def _held(self, names: Sequence[str]) -> list[HeldEntry]:
        """Those of the items that are still to be encoded, and still this worker's."""
        foreign, topic, owned = self._at.tables.foreign, self._at.deployment.topics.item_events, self._owned()
        places = {name: partition_for(name.encode(), topic.partitions) for name in names}
        mine = [name for name in names if name in foreign.items and places[name] in owned]
        stored = await self._at.store.read([item_times(places[name], name) for name in mine])
        return [
            held_entry(decode_entry(foreign.items[name]), value)
            for name, value in zip(mine, stored, strict=True)
            if name in foreign.items
        ]

    async def _queries(self, texts: Sequence[str]) -> None:
        """Encode some known queries, and learn those that have not been told anew meanwhile."""
        tables = self._at.tables
        encoded = await asyncio.to_thread(tables.models.encoder.encode, list(texts))
        found = []
        for n, text in enumerate(texts):
            query = tables.foreign.queries.get(text)
            if query is not None:
                vector = encoded.compact[n].astype("<f4").tobytes()
                found.append(
                    (text, msgspec.structs.replace(query, compact=vector, encoder=tables.models.catalogue.encoder))
                )
        tables.take_queries(found)
