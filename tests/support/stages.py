"""Stages of the pipeline on a store of the test's own, publishing into a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from state.store import Store
from streamrank_client.events import Event, ItemEvents, encode
from streamrank_client.routing import head, route
from streamrank_client.topics import topics
from streams.artifacts.tables import Tables
from streams.policy.choice import PlanChoice
from streams.wire.messages import Batch, Message, Publisher, Record
from streams.worker.metrics import Metrics
from streams.worker.stages.base import Workplace
from tests.support.composing import SETTINGS, reading_models
from tests.support.driving import DEPLOYMENT, batch_of

#: of one partition: what is published to it lies where it belongs
ALL_HERE: Final = replace(DEPLOYMENT, topics=topics(1), partitions=1)


class Kept:
    """A publisher that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        """Keep them."""
        self.messages += messages

    async def exists(self, topic: str) -> bool:
        """Topics whose name begins with an x are missing."""
        return not topic.startswith("x")

    def of(self, topic: str) -> list[bytes]:
        """The values published to a topic."""
        return [m.value or b"" for m in self.messages if m.topic == topic]


def published(events: Sequence[Event | ItemEvents], first: int = 0) -> Batch:
    """Events as a partition of their topic holds them from an offset on, each arrived at its own time."""
    keyed = ((route(head(encode(event)), DEPLOYMENT.topics)[1], event) for event in events)
    return batch_of([Record(key, encode(event), n, event.time) for n, (key, event) in enumerate(keyed, first)])


def workplace(store: Store, publisher: Publisher, tables: Tables | None = None, **changed: Any) -> Workplace:
    """A workplace with tables that answer nothing, unless some are given; ``changed``: other fields of it."""
    given: dict[str, Any] = {
        "deployment": ALL_HERE,
        "tables": tables or Tables(reading_models()),
        "plans": PlanChoice.of(SETTINGS),
        "metrics": Metrics(),
    }
    return Workplace(store=store, publisher=publisher, **{**given, **changed})
