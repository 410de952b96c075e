"""What answers, composed without servers as a worker composes it: the one way in which tests do so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import numpy as np

from models.items.catalogue import Catalogue
from models.lore.query_lore import QueryLore
from models.ranking.ranker import Ranker
from models.serving import Models
from models.text.encoder import Encoder
from models.text.intent import IntentModel
from models.text.translations import Translations
from models.text.words import Word, Words
from streamrank_client.answers import Answer
from streamrank_client.events import ItemEvents, Query, encode
from streamrank_client.topics import Topics
from streamrank_client.vocabulary import COMPACT, WIDE
from streams.artifacts.opening import Opened, artifact_path, open_artifacts, open_models
from streams.artifacts.tables import Tables
from streams.handlers.catalogue import ItemChanges, key_of, on_items
from streams.handlers.queries import Answered, on_queries
from streams.handlers.steps import run_on
from streams.offline.building.artifacts import ensure_encoders
from streams.policy.choice import PlanChoice
from streams.policy.deployment import Deployment
from streams.settings import Settings
from streams.wire.messages import Record
from tests.support.driving import DEPLOYMENT, PARTITIONS, run

SETTINGS: Final = Settings(device="cpu", partitions=PARTITIONS)


@cache
def opened() -> Opened:
    """The artifacts in use, opened once; encoders are built where they are missing."""
    ensure_encoders(SETTINGS)
    return open_artifacts(SETTINGS)


def link_encoders(folder: Path) -> None:
    """Links in ``folder`` to the encoders in use."""
    ensure_encoders(SETTINGS)
    for kind in ("encoder", "intent-encoder"):
        (folder / kind).symlink_to(artifact_path(SETTINGS, kind), target_is_directory=True)


def item_records(events: Sequence[ItemEvents]) -> list[Record]:
    """Item and rule events as records of item-events, each arrived at its own time."""
    return [Record(key_of(event).encode(), encode(event), n, event.time) for n, event in enumerate(events)]


def understood(models: Models, events: Sequence[ItemEvents], topics: Topics = DEPLOYMENT.topics) -> ItemChanges:
    """What the items handler makes of events, none of them broken."""
    changes = run_on(on_items(item_records(events), -1, 0, models, topics), {})
    assert changes.dead == []
    return changes


def take_changes(tables: Tables, changes: ItemChanges) -> None:
    """Take what an items handler publishes into tables as a worker does: broadcast, read, and checked."""
    for topic, table in tables.broadcasts(DEPLOYMENT.topics).items():
        found = [table.read(message.key, message.value) for message in changes.messages if message.topic == topic]
        if found:
            table.take(found)


def take(tables: Tables, events: Sequence[ItemEvents]) -> None:
    """Take item and rule events into tables as a worker does: understood, then broadcast."""
    take_changes(tables, understood(tables.models, events))


def composed(events: Sequence[ItemEvents] = (), settings: Settings = SETTINGS) -> Tables:
    """The models in use with a catalogue of these items."""
    tables = Tables(open_models(settings, opened=opened()))
    take(tables, events)
    return tables


@dataclass(frozen=True)
class Answering:
    """Answers queries of partition 0 over a dict: models and tables, the plans, and the deployment."""

    tables: Tables
    plans: PlanChoice
    deployment: Deployment = DEPLOYMENT

    @classmethod
    def of(cls, events: Sequence[ItemEvents] = (), settings: Settings = SETTINGS) -> Answering:
        """The models in use, the plans of the settings, and a catalogue of these items."""
        return cls(composed(events, settings), PlanChoice.of(settings))

    @property
    def models(self) -> Models:
        """The composition that answers."""
        return self.tables.models

    def with_models(self, **changed: Any) -> Answering:
        """The same with other models or tables; the own are left as they are."""
        return replace(self, tables=Tables(replace(self.models, **changed)))

    def with_plan(self, **changed: Any) -> Answering:
        """The same with another plan for queries that take part in no experiment."""
        return replace(self, plans=replace(self.plans, plan=replace(self.plans.plan, **changed)))

    def take(self, *events: ItemEvents) -> None:
        """Take item and rule events into the tables."""
        take(self.tables, events)

    def answers(self, *queries: Query, read: Callable[[bytes], bytes | None] = lambda _: None) -> Answered:
        """The answers to queries, answered together in three rounds of reading, and what is kept of them."""
        plans = [self.plans.plan_for(query) for query in queries]
        steps = on_queries(queries, plans, 0, self.models, self.deployment)
        answered, rounds = run(steps, read)
        assert rounds == (0 if all(query.suggest for query in queries) else 3)
        return answered

    def answer(self, query: Query, stored: dict[bytes, bytes] | None = None) -> Answer:
        """The answer to one query; ``stored``: what Redis holds."""
        (answer,) = self.answers(query, read=(stored or {}).get).answers
        return answer

    def title(self, item_id: str) -> str:
        """An item's title."""
        catalogue = self.models.catalogue
        return catalogue.titles[catalogue.row(item_id)]


def reading_models(tokens: Callable[[str], list[str]] = str.split, image_dim: int = 0) -> Models:
    """Models that can do no more than understand items, without artifacts: all texts have one vector."""

    def encode_all(texts: Sequence[str], passages: bool = False) -> SimpleNamespace:
        return SimpleNamespace(vector=np.ones((len(texts), WIDE), "f4"), compact=np.ones((len(texts), COMPACT), "f4"))

    return Models(
        catalogue=Catalogue(capacity=64, image_dim=image_dim),
        words=cast(
            Words, SimpleNamespace(tokens=tokens, read=lambda text: [Word(one, (one,)) for one in tokens(text)])
        ),
        encoder=cast(Encoder, SimpleNamespace(encode=encode_all)),
        intent=cast(IntentModel, None),
        ranker=cast(Ranker, None),
        lore=QueryLore(),
        translations=Translations([]),
    )
