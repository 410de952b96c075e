"""Every topic: its name, key, number of partitions and cleanup policy, declared once.

>>> topics(partitions=4).behavior_events.partitions
4
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

#: Bytes of the largest record that a worker publishes: a whole batch of an input topic.
MOST_KEPT: Final = 5 << 20
#: Records over 1 MiB must reach the worker to become dead letters, so the broker takes a little more.
_INPUT: Final = {"max.message.bytes": str(4 << 20)}
#: A batch of an input topic fits in whole.
_WHOLE_BATCH: Final = {"max.message.bytes": str(MOST_KEPT)}
_COMPACT: Final = {"cleanup.policy": "compact"}


@dataclass(frozen=True)
class TopicSpec:
    """One topic. ``key`` says what its records are keyed by; ``config`` holds broker settings."""

    name: str
    key: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """All topics of one deployment; iterate for creation."""

    item_events: TopicSpec
    behavior_events: TopicSpec
    query_events: TopicSpec
    recommendations: TopicSpec
    signals: TopicSpec
    feedback: TopicSpec
    catalogue: TopicSpec
    ranker_weights: TopicSpec
    queries: TopicSpec
    rules: TopicSpec
    dead_letters: TopicSpec
    damaged_batches: TopicSpec

    def __iter__(self) -> Iterator[TopicSpec]:
        for f in fields(self):
            spec: TopicSpec = getattr(self, f.name)
            yield spec

    def with_partitions(self, found: Mapping[str, int]) -> Topics:
        """The same topics with the partitions that Kafka has of some of them, by name.

        >>> topics(8).with_partitions({"query-events": 4}).query_events.partitions
        4
        """
        some = {f.name: getattr(self, f.name) for f in fields(self)}
        return Topics(**{n: replace(s, partitions=found.get(s.name, s.partitions)) for n, s in some.items()})


def topics(partitions: int = 8, prefix: str = "") -> Topics:
    """The topics of a deployment with ``partitions`` user partitions and an optional name ``prefix``.

    behavior-events, query-events and recommendations share their number of partitions, so that one
    worker has both sides of a user; signals have as many, because Redis keys carry a partition as tag.
    """

    def spec(name: str, key: str, n: int, config: Mapping[str, str]) -> TopicSpec:
        return TopicSpec(prefix + name, key, n, config)

    return Topics(
        item_events=spec("item-events", "item_id or rule_id", partitions, {**_COMPACT, **_INPUT}),
        behavior_events=spec("behavior-events", "user_id", partitions, _INPUT),
        query_events=spec("query-events", "user_id", partitions, _INPUT),
        recommendations=spec("recommendations", "user_id", partitions, {}),
        signals=spec("signals", "item_id or query", partitions, _INPUT),
        feedback=spec("feedback", "surface", 1, {}),
        catalogue=spec("catalogue", "item_id", 1, _COMPACT),
        ranker_weights=spec("ranker-weights", "surface", 1, _COMPACT),
        rules=spec("rules", "rule_id", 1, _COMPACT),
        queries=spec("queries", "query text", 1, _COMPACT),
        dead_letters=spec("dead-letters", "source topic", 1, {}),
        damaged_batches=spec("damaged-batches", "topic, partition and offsets", 1, {**_COMPACT, **_WHOLE_BATCH}),
    )
