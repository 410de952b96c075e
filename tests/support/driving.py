"""Drives handlers without servers: what they ask for comes from a dict, what they return goes back into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

import numpy as np

from models.items.catalogue import Catalogue
from models.sample import sample_entry
from state import keys
from state.event_ids import IdWindow, block_keys
from state.marks import BehaviorMark, behavior_mark
from streamrank_client.answers import DeadLetter
from streamrank_client.events import Behavior, encode
from streamrank_client.topics import topics
from streamrank_client.vocabulary import HOUR_MS
from streams.handlers.contexts import on_behavior
from streams.handlers.outcomes import Outcome
from streams.policy.deployment import Deployment
from streams.wire.feedback import Feedback
from streams.wire.messages import Batch, Record
from streams.wire.packing import unpacked

T = TypeVar("T")
AT: Final = 1_760_000_000_000
PARTITIONS: Final = 4
DEPLOYMENT: Final = Deployment(topics(PARTITIONS), PARTITIONS, join_ms=HOUR_MS)
#: where the watermark of partition 0 of behavior-events is stored
MARK: Final = keys.watermark(0, DEPLOYMENT.topics.behavior_events.name)
ITEMS: Final = 12
_VECTORS: Final = np.random.default_rng(5).normal(size=(ITEMS, 64)).astype(np.float32)
VECTORS: Final = _VECTORS / np.linalg.norm(_VECTORS, axis=1, keepdims=True)


def twelve_items() -> Catalogue:
    """A catalogue of p0 to p11 with ``VECTORS``."""
    catalogue = Catalogue(capacity=ITEMS)
    catalogue.upsert([sample_entry(f"p{n}", compact=VECTORS[n].astype("<f4").tobytes()) for n in range(ITEMS)])
    return catalogue


TWELVE: Final = twelve_items()


def run(steps: Generator[list[bytes], list[bytes | None], T], read: Callable[[bytes], bytes | None]) -> tuple[T, int]:
    """A handler's result, and how many rounds it read."""
    rounds = 0
    try:
        wanted = next(steps)
        while True:
            rounds += 1
            wanted = steps.send([read(name) for name in wanted])
    except StopIteration as done:
        result: T = done.value
        return result, rounds


def batch_of(held: Sequence[Record]) -> Batch:
    """All that a partition holds from the first of these records up to the last."""
    return Batch(held, held[0].offset if held else 0, held[-1].offset + 1 if held else 0)


def records(events: Sequence[Behavior | bytes], first: int = 0, arrival: int | None = None) -> Batch:
    """Events as records, each arrived at its own time; raw lines have the key u1."""
    made: list[Record] = []
    for offset, event in enumerate(events, first):
        raw = event if isinstance(event, bytes) else encode(event)
        user = "u1" if isinstance(event, bytes) else event.user_id
        at = AT if isinstance(event, bytes) else event.time
        made.append(Record(user.encode(), raw, offset, at if arrival is None else arrival))
    return batch_of(made)


class Delta(NamedTuple):
    """A delta of a signals record: pair, touch or choice, its target partition, its fields, the offset absolute."""

    kind: str
    target: int
    fields: tuple[tuple[str, float], ...]

    def value(self, name: str) -> float:
        """A field's value."""
        return dict(self.fields)[name]


@dataclass
class Ingest:
    """Partition 0's behaviour handler over a dict, batch after batch; ``catalogue``: what is known of the items."""

    stored: dict[bytes, bytes] = field(default_factory=dict)
    catalogue: Catalogue = TWELVE
    mark: BehaviorMark = field(default_factory=lambda: behavior_mark(None))
    dead: list[DeadLetter] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    deltas: Counter[Delta] = field(default_factory=Counter)
    outcomes: dict[Outcome, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.window = IdWindow([None] * len(block_keys(0)), 0)

    def fold(self, some: Sequence[Record]) -> None:
        """Handle records as one batch and store what it leads to."""
        steps = on_behavior(batch_of(some), self.mark, self.window, 0, self.catalogue, DEPLOYMENT)
        changes, _ = run(steps, self.stored.get)
        self.stored.update(zip(changes.pairs[::2], changes.pairs[1::2], strict=True))
        self.mark = changes.mark
        self.window.add(changes.ids)
        self.dead += changes.dead
        self.feedback += changes.feedback
        for outcome, value in changes.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0.0) + value
        for target, signals in changes.signals.items():
            for kind, deltas in zip(("pair", "touch", "choice"), unpacked(signals), strict=True):
                for delta in deltas:
                    values = {name: delta[name].item() for name in deltas.dtype.names or ()}
                    values["offset"] += signals.base
                    self.deltas[Delta(kind, target, tuple(values.items()))] += 1

    def fold_cut(self, batch: Sequence[Record], cuts: Sequence[int]) -> None:
        """Handle records in pieces, cut at these places."""
        for start, end in pairwise(sorted({0, *cuts, len(batch)})):
            self.fold(batch[start:end])

    @property
    def all_stored(self) -> dict[bytes, bytes]:
        """What is stored, the watermark too."""
        return {**self.stored, MARK: self.mark.stored()}
