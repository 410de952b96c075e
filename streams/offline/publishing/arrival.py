"""Waiting until the catalogue holds the items that were published.

The catalogue agent publishes one record for each item, with the item's id as key, or a dead letter; for a rule one
on the rules topic, with the rule's id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord  # type: ignore[import-untyped]

from streamrank_client.answers import decode_dead_letter
from streamrank_client.errors import StreamrankError
from streamrank_client.following import existing_topics, following
from streamrank_client.rules import rule_key
from streamrank_client.topics import Topics
from streams.settings import Settings

__all__ = ["Arrival", "arriving"]


class Arrival:
    """Which of the items sent have not reached the catalogue yet; ``refused`` became dead letters."""

    def __init__(self, consumer: AIOKafkaConsumer, named: Topics) -> None:
        self._consumer = consumer
        self._topics = named
        self._takers: dict[str, Callable[[ConsumerRecord], None]] = {
            named.catalogue.name: lambda record: self._missing.discard(record.key),
            named.rules.name: lambda record: self._missing.discard(rule_key(record.key.decode()).encode()),
            named.dead_letters.name: self._take_letter,
        }
        self._missing: set[bytes] = set()
        self.refused = 0

    def expect(self, item_id: bytes) -> None:
        """An item or a rule with this key was sent."""
        self._missing.add(item_id)

    async def complete(self, patience: float, progress: Callable[[str, int, int], None]) -> None:
        """Wait until every expected item is there or refused.

        Raises StreamrankError when for ``patience`` seconds none arrived.
        """
        total, last = len(self._missing), monotonic()
        while self._missing:
            before = len(self._missing)
            for batch in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in batch:
                    self._takers[record.topic](record)
            progress("catalogue", total - len(self._missing), total)
            if len(self._missing) < before:
                last = monotonic()
            elif monotonic() - last > patience:
                raise StreamrankError(
                    f"{len(self._missing)} of {total} items did not reach {self._topics.catalogue.name}, none came for "
                    f"{patience:g} s: is a worker with the role ingest running? (`streamrank serve`, "
                    "`streamrank doctor`; `publish --no-wait` does not wait)"
                )

    def _take_letter(self, record: ConsumerRecord) -> None:
        try:
            letter = decode_dead_letter(record.value or b"")
        except msgspec.DecodeError:
            return  # not written by a worker: it says nothing about an item
        if letter.topic == self._topics.item_events.name and letter.key in self._missing:
            self._missing.discard(letter.key)
            self.refused += 1


@asynccontextmanager
async def arriving(settings: Settings) -> AsyncIterator[Arrival]:
    """Watch the catalogue and the dead letters from now on; enter before the first item is sent.

    Raises SettingsError naming the topics of the deployment that are missing.
    """
    named = settings.topics
    watched = (named.catalogue.name, named.rules.name, named.dead_letters.name)
    await existing_topics(settings, [spec.name for spec in named])
    async with following(settings, *watched) as consumer:
        yield Arrival(consumer, named)
