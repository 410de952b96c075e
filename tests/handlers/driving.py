"""Drives handlers without servers: what they ask for comes from a dict, what they return goes back into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from state.event_ids import IdWindow, block_keys
from streamrank_client.answers import DeadLetter
from streamrank_client.events import Behavior, encode
from streamrank_client.vocabulary import key
from streams.handlers.contexts import Known, on_behavior, read_mark
from streams.handlers.outcomes import Outcome
from streams.wire.feedback import Feedback
from streams.wire.messages import Record
from streams.wire.packing import unpacked

T = TypeVar("T")
TOPIC: Final = "behavior-events"
AT: Final = 1_760_000_000_000
PARTITIONS: Final = 4
ITEMS: Final = 12
_VECTORS: Final = np.random.default_rng(5).normal(size=(ITEMS, 64)).astype(np.float32)
VECTORS: Final = _VECTORS / np.linalg.norm(_VECTORS, axis=1, keepdims=True)
_PLACE: Final = {key(f"p{n}"): n for n in range(ITEMS)}


def rows_of(items: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Rows of p0 to p11; other items have no vector."""
    return np.array([_PLACE.get(item, -1) for item in items.tolist()], np.int32)


KNOWN: Final = Known(
    topic=TOPIC, partition=0, partitions=PARTITIONS, rows_of=rows_of, vectors=VECTORS, normalise=str.lower,
    join_ms=3_600_000,
)  # fmt: skip


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


def records(events: Sequence[Behavior | bytes], first: int = 0, arrival: int | None = None) -> list[Record]:
    """Events as records, each arrived at its own time; raw lines have the key u1."""
    found: list[Record] = []
    for place, event in enumerate(events, first):
        raw = event if isinstance(event, bytes) else encode(event)
        user = "u1" if isinstance(event, bytes) else event.user_id
        at = AT if isinstance(event, bytes) else event.time
        found.append((user.encode(), raw, place, at if arrival is None else arrival, ()))
    return found


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
    """One partition's behaviour handler over a dict, batch after batch."""

    stored: dict[bytes, bytes] = field(default_factory=dict)
    mark: bytes | None = None
    dead: list[DeadLetter] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    deltas: Counter[Delta] = field(default_factory=Counter)
    outcomes: dict[Outcome, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.window = IdWindow([None] * len(block_keys(0)), 0)

    def fold(self, batch: Sequence[Record]) -> None:
        """Handle one batch and store what it leads to."""
        changes, _ = run(on_behavior(batch, self.mark, self.window, KNOWN), self.stored.get)
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
    def accepted(self) -> int:
        """Events counted so far."""
        return int(read_mark(self.mark)["accepted"])
