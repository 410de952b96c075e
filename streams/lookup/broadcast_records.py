"""Records of the broadcast topics that no worker can use, and good ones in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]

from models.ranking.weights import encode_weights
from state import keys
from streamrank_client.following import unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.making import now
from streamrank_client.topics import TopicSpec
from streamrank_client.vocabulary import RULE_KEY
from streams.artifacts import records
from streams.artifacts.opening import open_models
from streams.artifacts.records import UnusableRecord
from streams.handlers.catalogue import on_items
from streams.handlers.steps import run_on
from streams.kafka.broadcast import BroadcastReader
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.stores import open_store
from streams.wire.messages import Message, Record

#: how the records of each broadcast topic are read, by field of ``Topics``
_READ: Final = {
    "catalogue": records.item,
    "rules": records.rule,
    "queries": records.query,
    "ranker_weights": records.weights,
}
#: topics whose records are made of events, with what their keys begin with on item-events
_OF_EVENTS: Final = {"catalogue": b"", "rules": RULE_KEY.encode()}
#: topics whose records are made of what Redis holds
_OF_STATE: Final = frozenset({"ranker_weights"})


@dataclass(frozen=True, slots=True)
class BadRecord:
    """The last record of a key in a broadcast topic, and why no worker can use it. ``topic``: a field of ``Topics``."""

    topic: str
    name: str
    key: bytes
    reason: str


class Repair(msgspec.Struct, frozen=True):
    """What was published for a key: ``source``, the record made anew from what it comes from, or a ``tombstone``."""

    topic: str
    key: str
    reason: str
    by: Literal["source", "tombstone"]


async def bad_records(settings: Settings) -> list[BadRecord]:
    """The keys of the broadcast topics whose last record is not usable. Raises Unavailable, and BroadcastError for a
    topic that is missing.
    """
    named = Deployment.of(settings).topics
    found: list[BadRecord] = []
    for field, read in _READ.items():
        spec: TopicSpec = getattr(named, field)
        last: dict[bytes, str] = {}

        def take(pairs: Sequence[tuple[bytes, bytes | None]], read: Any = read, last: dict[bytes, str] = last) -> None:
            for key, value in pairs:
                last.pop(key, None)
                if value is None:
                    continue  # it says nothing, whatever its key
                try:
                    read(key, value)
                except UnusableRecord as error:
                    last[key] = str(error)

        await _read_whole(settings, spec, take)
        found += [BadRecord(field, spec.name, key, reason) for key, reason in last.items()]
    return found


async def repair(settings: Settings) -> list[Repair]:
    """Publish a good record for each key whose last one is not usable.

    Items and rules are made anew from their last events, weights from the trainer's state in Redis; where there is
    none, and for query texts, which are told again when they are chosen, a tombstone takes the record away.
    """
    bad = await bad_records(settings)
    good: dict[tuple[str, bytes], bytes] = {}
    if of_events := [one for one in bad if one.topic in _OF_EVENTS]:
        good |= await _from_events(settings, of_events)
    if of_state := [one for one in bad if one.topic in _OF_STATE]:
        good |= await _from_state(settings, of_state)
    messages = [Message(one.name, one.key, good.get((one.name, one.key))) for one in bad]
    await _publish(settings, messages)
    return [
        Repair(one.name, one.key.decode(errors="replace"), one.reason, "source" if message.value else "tombstone")
        for one, message in zip(bad, messages, strict=True)
    ]


async def _from_events(settings: Settings, bad: Sequence[BadRecord]) -> dict[tuple[str, bytes], bytes]:
    """Items and rules as their events make them, by topic and key."""
    deployment = Deployment.of(settings)
    wanted = {_OF_EVENTS[one.topic] + one.key for one in bad}
    events: dict[bytes, list[bytes | None]] = {}

    def take(pairs: Sequence[tuple[bytes, bytes | None]]) -> None:
        for key, value in pairs:
            if key in wanted:
                events.setdefault(key, []).append(value)

    await _read_whole(settings, deployment.topics.item_events, take)
    models = open_models(settings, searched=False)
    made: dict[tuple[str, bytes], bytes] = {}
    for key, values in events.items():
        of_one = [Record(key, value, offset, now()) for offset, value in enumerate(values)]
        changes = run_on(on_items(of_one, -1, 0, models, deployment.topics), {})
        made |= {(m.topic, m.key): m.value for m in changes.messages if m.key is not None and m.value is not None}
    return made


async def _from_state(settings: Settings, bad: Sequence[BadRecord]) -> dict[tuple[str, bytes], bytes]:
    """Weights as the trainer has learnt them, by topic and surface."""
    from models.learning.online import OnlineRanker  # loads River

    store = open_store(settings)
    try:
        states = await store.read([keys.online(one.key.decode(errors="replace")) for one in bad])
    finally:
        await store.close()
    return {
        (one.name, one.key): encode_weights(OnlineRanker.restore(state, settings.learning_rate).current())
        for one, state in zip(bad, states, strict=True)
        if state is not None
    }


async def _read_whole(settings: Settings, spec: TopicSpec, take: Any) -> None:
    kafka: dict[str, Any] = dict(kafka_options(settings))
    bootstrap = kafka.pop("bootstrap_servers")
    reader = BroadcastReader(
        spec.name, bootstrap, take, skip=lambda _: None, fetch_max_wait_ms=settings.fetch_wait_ms, **kafka
    )
    try:
        async with reader:
            pass
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error


async def _publish(settings: Settings, messages: Sequence[Message]) -> None:
    if not messages:
        return
    producer = AIOKafkaProducer(**kafka_options(settings), acks="all", max_request_size=4 << 20)
    try:
        await producer.start()
        for message in messages:
            await producer.send_and_wait(message.topic, message.value, message.key, 0)
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
    finally:
        await producer.stop()
