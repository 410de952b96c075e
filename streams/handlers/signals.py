"""Signals received: item- and query-side updates folded into what is stored (`streams.wire.packing` sends them).

``fold_signals`` is a generator that yields the keys to read, is sent their values and returns what to store.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Floats
from models.items.catalogue import Catalogue
from state import category_trends, counts, covisits, keys, trends
from state.records import CATEGORY_TREND, COUNT, COVISIT, QUERY_CLICK, TREND
from state.rows import distinct_of, join, split
from streamrank_client.errors import InvalidEvent
from streamrank_client.events import invalid
from streamrank_client.vocabulary import KINDS
from streams.handlers.chosen import ToldQuery, fold_choices, texts_of
from streams.wire.messages import Record
from streams.wire.packing import unpacked
from streams.wire.signals import AFTER, CHOICE, PAIR, TAKEN_BACK, TOGETHER, TOUCH, Deltas, Signals, decode_signals

Marks = NDArray[np.int64]


@dataclass(slots=True)
class SignalChanges:
    """What one call of ``fold_signals`` leaves to be stored, together.

    ``pairs``: key, value, key, value, … for one MSET; ``marks``: the sources' new marks, shape (partitions,);
    ``chosen``: the queries that every query worker is to be told of.
    """

    pairs: list[bytes]
    marks: Marks
    chosen: list[ToldQuery]


def fold_signals(
    records: Sequence[Signals], marks: Marks, partitions: int, target: int, catalogue: Catalogue | None = None
) -> Generator[list[bytes], list[bytes | None], SignalChanges]:
    """Fold records of one signals partition, of any sources, into its rows, all in one pass.

    ``records`` in offset order; ``marks`` (partitions,): each source's last behaviour offset whose effects
    are stored here, -1 for none; left as it is. Deltas at or before their source's mark are dropped: a batch
    that was published again counts once, however it was cut.

    ``catalogue``: None counts nothing by category; an item that it does not hold yet is not counted there either.

    Yields once, the keys to read, and is sent their values in order (None: not there); the keys are none if
    all deltas were dropped, so that a driver checks its watermark even then. Raises InvalidEvent for bytes that are no
    deltas, and for a delta that belongs to another partition than ``target``.
    """
    marks = marks.copy()
    pairs, touches, choices = _fresh(records, marks)
    neighbours = _Owners.of(pairs["row"], partitions, target)
    items = _Owners.of(touches["item"], partitions, target)
    queries = _Owners.of(choices["query"], partitions, target)
    names = keys.owned(keys.covisits, partitions, neighbours.distinct)
    names += keys.owned(keys.counts, partitions, items.distinct)
    names += keys.owned(keys.query_clicks, partitions, queries.distinct)
    names += [keys.trends(target)] if len(touches) else []
    category = (
        np.zeros(len(items.distinct), np.uint64) if catalogue is None else catalogue.category_keys(items.distinct)
    )
    categories, shelf = np.unique(category, return_inverse=True)
    names += [keys.category_trend(target, c) for c in categories.tolist() if c]
    values = iter((yield names))
    stored = _fold_pairs(list(islice(values, len(neighbours.distinct))), neighbours.place, pairs)
    counted = join(list(islice(values, len(items.distinct))), COUNT)
    sign = np.where(touches["kind"] & TAKEN_BACK, -1, 1).astype(np.int8)
    counts.fold(counted, items.place, touches["kind"] % TAKEN_BACK, touches["value"], touches["time"], sign)
    stored += split(counted)
    clicked = join(list(islice(values, len(queries.distinct))), QUERY_CLICK)
    chosen = fold_choices(clicked, queries.distinct, queries.place, choices, texts_of(records))
    stored += split(clicked)
    for trend in islice(values, 1 if len(touches) else 0):
        stored.append(trends.merge(join([trend], TREND)[0], items.distinct, counted).tobytes())
    stored += _fold_categories(list(values), category, shelf, items.distinct, counted)
    changed = [b""] * (2 * len(names))
    changed[::2], changed[1::2] = names, stored
    return SignalChanges(changed, marks, chosen)


def signals_in(records: Sequence[Record], partitions: int) -> list[Signals]:
    """The deltas in records of the signals topic. Raises InvalidEvent for a record that holds none."""
    return [_signals_in(record, partitions) for record in records]


def _signals_in(record: Record, partitions: int) -> Signals:
    try:
        signals = decode_signals(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(error) from None
    if not 0 <= signals.source < partitions:
        raise InvalidEvent("invalid", "source", f"{signals.source}: there are partitions 0 to {partitions - 1}")
    return signals


class _Owners(NamedTuple):
    """The distinct keys that own deltas, and for each delta the place of its own among them."""

    distinct: NDArray[np.uint64]
    place: NDArray[np.intp]

    @classmethod
    def of(cls, owner: NDArray[np.uint64], partitions: int, target: int) -> Self:
        distinct, place = distinct_of(owner)
        strange = distinct[distinct % np.uint64(partitions) != target]
        if len(strange):
            raise InvalidEvent(
                "invalid",
                "",
                f"signals partition {target} of {partitions} holds a delta of {int(strange[0]):016x}, which belongs "
                f"to partition {int(strange[0]) % partitions}: only streamrank writes here, with as many partitions",
            )
        return cls(distinct, place)


def strengths(pairs: Deltas) -> tuple[Floats, Floats, Floats]:
    """The weights of pairs (n,): after (1/distance), together (1), wide (by the root of the distance)."""
    lag = np.maximum(pairs["lag"], 1).astype(np.float32)
    after, together = (pairs["how"] & AFTER) > 0, (pairs["how"] & TOGETHER) > 0
    return after / lag, together.astype(np.float32), 1 / np.sqrt(lag)


def _fold_pairs(values: list[bytes | None], row: NDArray[np.intp], pairs: Deltas) -> list[bytes]:
    rows = join(values, COVISIT)
    covisits.fold(rows, row, pairs["item"], *strengths(pairs), pairs["time"])
    return split(rows)


def _fold_categories(
    values: list[bytes | None],
    category: NDArray[np.uint64],
    shelf: NDArray[np.intp],
    items: NDArray[np.uint64],
    counted: Deltas,
) -> list[bytes]:
    """``shelf``: each item's place among the distinct categories, of which the first is 0 (none) where it occurs."""
    rows = join(values, CATEGORY_TREND)
    known = category != 0
    category_trends.merge(rows, shelf[known] - int(not known.all()), items[known], counted[known])
    return split(rows)


def _fresh(records: Sequence[Signals], marks: Marks) -> tuple[Deltas, Deltas, Deltas]:
    """All deltas after their source's mark; advances ``marks`` record by record."""
    parts: tuple[list[Deltas], ...] = ([np.zeros(0, PAIR)], [np.zeros(0, TOUCH)], [np.zeros(0, CHOICE)])
    for record in records:
        mark = newest = int(marks[record.source])
        for part, deltas in zip(parts, unpacked(record), strict=True):
            if not len(deltas):
                continue
            newest = max(newest, record.base + int(deltas["offset"].max()))
            part.append(deltas if record.base > mark else deltas[deltas["offset"] > mark - record.base])
        marks[record.source] = newest
    pairs, touches, choices = (_joined(part) for part in parts)
    if len(touches) and (touches["kind"] & ~np.uint32(TAKEN_BACK)).max() >= len(KINDS):
        raise InvalidEvent("invalid", "touches", f"kind {touches['kind'].max()}: there are {len(KINDS)} kinds")
    if not (np.isfinite(touches["value"]).all() and np.isfinite(choices["weight"]).all()):
        raise InvalidEvent("invalid", "", "a value or weight that is no finite number")
    return pairs, touches, choices


def _joined(arrays: Sequence[Deltas]) -> Deltas:
    # by their bytes, which numpy moves several times as fast as records
    return np.frombuffer(b"".join([array.tobytes() for array in arrays]), arrays[0].dtype)
