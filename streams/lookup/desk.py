"""What an operator looks up: a stored answer explained, and a user. The commands and the web pages both ask here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from state import keys
from state.impressions import decode
from state.records import CONTEXT
from state.store import Store
from streamrank_client.errors import Unavailable
from streamrank_client.following import unavailable
from streamrank_client.kafka_options import kafka_options
from streamrank_client.partitioner import partition_for
from streams.artifacts import records
from streams.artifacts.opening import open_models
from streams.artifacts.tables import Tables
from streams.errors import NotStored
from streams.handlers.asking import StoredUser
from streams.kafka.broadcast import BroadcastReader
from streams.lookup.profiling import newest, profile
from streams.lookup.recalling import recall
from streams.lookup.stored_answer import StoredAnswer
from streams.lookup.user_profile import Profile
from streams.policy.choice import PlanChoice
from streams.settings import Settings, variable
from streams.stores import open_store


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operator looks: Redis, and the models with their catalogue, as they are when asked for."""

    settings: Settings
    store: Store
    tables: Tables
    plans: PlanChoice

    async def explain(self, request_id: str, user_id: str | None = None) -> StoredAnswer:
        """The stored answer of a query, explained.

        Without ``user_id`` it is looked for in every partition. Raises NotStored when it is not there.
        """
        partitions = range(self.settings.partitions)
        if user_id is not None:
            partitions = range(partition := partition_for(user_id.encode(), len(partitions)), partition + 1)
        found = [
            decode(value)
            for value in await self.store.read([keys.impression(p, request_id) for p in partitions])
            if value is not None
        ]
        shown = next((one for one in found if user_id is None or one.user_id == user_id), None)
        if shown is None:
            whose = "" if user_id is None else f" of user {user_id!r}"
            other = "" if user_id is None else "; look without the user id"
            raise NotStored(
                f"no answer{whose} with the request id {request_id!r} is stored. Answers without items are not kept, "
                f"others for {self.settings.join_hours:g} hours: raise {variable('join_hours')} to keep them "
                f"longer{other}"
            )
        return recall(shown, self.tables.models)

    async def user(self, user_id: str, at: int | None = None) -> Profile:
        """A user's profile at ``at``, Unix ms; by default the time of the newest event of the user's partition.

        Raises NotStored when nothing is known of the user.
        """
        partition = partition_for(user_id.encode(), self.settings.partitions)
        topic = self.settings.topics.behavior_events.name
        context, session, owned, mark = await self.store.read(
            [
                keys.context(partition, user_id),
                keys.session(partition, user_id),
                keys.purchases(partition, user_id),
                keys.watermark(partition, topic),
            ]
        )
        if context is None:
            raise NotStored(
                f"nothing is known of user {user_id!r}: no behaviour event with that user_id has been counted; "
                "check the id, and `streamrank consume --topic dead-letters --from-start` for refused events"
            )
        if len(context) != CONTEXT.itemsize:
            raise NotStored(
                f"the context of user {user_id!r} has {len(context)} bytes, not {CONTEXT.itemsize}: another version "
                "wrote it; use that version, or let this one read the events again into an empty Redis"
            )
        stored = StoredUser(context, session, owned)
        now = newest([mark], context) if at is None else at
        return profile(user_id, stored, self.tables.models.catalogue, self.plans, now)


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """A desk of its own: models opened, the catalogue read from Kafka. Raises what opening them raises."""
    plans = PlanChoice.of(settings)
    tables = Tables(open_models(settings, plans.experiment, searched=False), searched=False)
    kafka: dict[str, Any] = dict(kafka_options(settings))
    reader = BroadcastReader(
        settings.topics.catalogue.name,
        kafka.pop("bootstrap_servers"),
        tables.take_items,
        read=records.item,
        fetch_max_wait_ms=settings.fetch_wait_ms,
        **kafka,
    )
    store = open_store(settings, look_only=True)
    try:
        await _reachable(store, reader, settings)
        yield Desk(settings, store, tables, plans)
    finally:
        await store.close()


async def _reachable(store: Store, reader: BroadcastReader, settings: Settings) -> None:
    """Read the catalogue whole, and see that Redis answers. Raises Unavailable."""
    try:
        await store.ping()
    except (RedisError, OSError) as error:
        where = settings.shown()["redis"]
        raise Unavailable(f"Redis at {where} does not answer ({error}): check {variable('redis')}") from error
    try:
        async with reader:
            pass
    except (KafkaError, OSError) as error:
        raise await unavailable(settings, error) from error
