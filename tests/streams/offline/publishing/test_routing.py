"""A replay gives every line the topic, key, partition and offset that publishing it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import settings as examples

from state.store import Store
from streamrank_client.following import following
from streamrank_client.logs import input_lines, write_lines
from streamrank_client.topics import topics
from streams.artifacts.tables import Tables
from streams.kafka.admin import create_topics
from streams.offline.publishing.publish_log import publish_log
from streams.offline.replay import Replay
from streams.settings import Settings
from streams.wire.messages import Record
from tests.support.composing import reading_models
from tests.support.lines import in_order, lines
from tests.support.servers import Broker


class Stored(NamedTuple):
    """A record, and where it lies."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Both:
    """A deployment and a replay that get the same lines; what each makes of them since the last time."""

    def __init__(self, settings: Settings, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.settings, self.log = settings, folder / "day.jsonl"
        self.replayed: list[Stored] = []
        self.lines = 0
        nothing = Tables(reading_models())
        self.driver = Replay(settings, cast(Store, None), nothing, lambda _: None, lambda _: None)
        for topic, stage in self.driver.stages.items():
            patch.setattr(stage, "handle", partial(self._handled, topic))

    async def _handled(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        self.replayed += [Stored(topic, partition, r.offset, r.key, r.value) for r in records]

    async def publish(self, consumer: Any) -> set[Stored]:
        """Publish the log as `streamrank publish` does; its records as Kafka has them."""
        await publish_log(self.log, self.settings, wait=False)
        found: set[Stored] = set()
        wanted = sum(1 for _ in input_lines(self.log))
        async with asyncio.timeout(60):
            while len(found) < wanted:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found |= {Stored(r.topic, r.partition, r.offset, r.key, r.value) for r in batch}
        return found

    async def replay(self) -> set[Stored]:
        """Replay the log; its records as its stages get them."""
        self.replayed.clear()
        await self.driver.run(input_lines(self.log))
        return set(self.replayed)


def test_a_replay_and_a_producer_agree_on_every_line(broker: Broker, tmp_path: Path) -> None:
    """Good lines and broken ones, without ids or with wrong types, cut, no UTF-8, lone surrogates: where each lies."""
    settings = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=3, fetch_wait_ms=10 if broker.tansu else 100
    )
    named = topics(settings.partitions, settings.topic_prefix)
    fed = (named.item_events.name, named.behavior_events.name, named.query_events.name)
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        runner.run(create_topics(settings))
        both = Both(settings, tmp_path, patch)
        following_all = following(settings, *fed, from_start=True)
        consumer = runner.run(following_all.__aenter__())
        seen: set[str] = set()

        @examples(max_examples=40)
        @given(lines)
        def agree(some: list[dict[str, Any] | bytes]) -> None:
            raw = in_order(some, both.lines)
            both.lines += len(some)
            write_lines(both.log, raw)
            published, replayed = runner.run(both.publish(consumer)), runner.run(both.replay())
            assert published == replayed
            seen.update(record.topic for record in published)

        try:
            agree()
        finally:
            runner.run(following_all.__aexit__(None, None, None))
    assert seen == set(fed)
