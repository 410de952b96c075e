"""Signals as they travel: a batch's deltas cut by the partition that owns what they change, and read again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.compiled import compiled
from streamrank_client.errors import InvalidEvent
from streams.wire.signals import BACK, CHOICE, MOMENT, PAIR, SENT_PAIR, TOUCH, Deltas, Signals


def pack(
    source: int,
    base: int,
    pairs: Deltas,
    touches: Deltas,
    choices: Deltas,
    partitions: int,
    texts: Mapping[int, str] | None = None,
) -> dict[int, Signals]:
    """Cut a batch's deltas by the signals partition that owns their row, item or query.

    ``pairs``, ``touches``, ``choices``: arrays of PAIR, TOUCH and CHOICE, in any order, which stays; ``texts``:
    of the choices' queries, by key. A partition without any delta gets no record.
    """
    by_pair = _cut_pairs(pairs, partitions)
    by_touch = _cut(touches, touches["item"], partitions)
    by_choice = _cut(choices, choices["query"], partitions)
    parts = enumerate(zip(by_pair, by_touch, by_choice, strict=True))
    found = {
        number: Signals(source, base, sent, touched, chosen, [], moments)
        for number, ((sent, moments), touched, chosen) in parts
        if sent or touched or chosen
    }
    for query, text in (texts or {}).items():
        found[query % partitions].texts.append(text)
    return found


def unpacked(record: Signals) -> tuple[Deltas, Deltas, Deltas]:
    """A record's deltas, arrays of PAIR, TOUCH and CHOICE, as they were packed.

    Raises InvalidEvent for bytes that are no such arrays.
    """
    sent, moments = _array(record.pairs, SENT_PAIR, "pairs"), _array(record.moments, MOMENT, "moments")
    if len(sent) and (not len(moments) or sent["moment"].max() >= len(moments)):
        raise InvalidEvent("invalid", "pairs", f"moment {sent['moment'].max()} of {len(moments)}")
    pairs = np.empty(len(sent), PAIR)
    _expand(sent, moments, pairs)
    return pairs, _array(record.touches, TOUCH, "touches"), _array(record.choices, CHOICE, "choices")


def _array(data: bytes, layout: np.dtype[Any], field: str) -> Deltas:
    if len(data) % layout.itemsize:
        said = f"{len(data)} bytes, expected a multiple of {layout.itemsize}: another version wrote them"
        raise InvalidEvent("invalid", field, said)
    return np.frombuffer(data, layout)


def _cut(deltas: Deltas, owner: NDArray[np.uint64], partitions: int) -> list[bytes]:
    target = _targets(owner, partitions)
    # as rows of words, which numpy moves several times as fast as records
    words = deltas.view(np.uint64).reshape(len(deltas), deltas.itemsize // 8)
    data = words.take(np.argsort(target, kind="stable"), axis=0).tobytes()
    ends = np.cumsum(np.bincount(target, minlength=partitions)) * deltas.itemsize
    return [data[start:end] for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]


def _cut_pairs(pairs: Deltas, partitions: int) -> list[tuple[bytes, bytes]]:
    """SENT_PAIR and MOMENT of each partition, as bytes."""
    target = _targets(pairs["row"], partitions)
    ends = np.cumsum(np.bincount(target, minlength=partitions))
    starts = np.r_[0, ends[:-1]]
    sent, moments = np.empty(len(pairs), SENT_PAIR), np.empty(len(pairs), MOMENT)
    told = _condense(np.ascontiguousarray(pairs), target, starts, sent, moments)
    cuts = zip(starts.tolist(), ends.tolist(), told.tolist(), strict=True)
    return [(sent[start:end].tobytes(), moments[start:last].tobytes()) for start, end, last in cuts]


def _targets(owner: NDArray[np.uint64], partitions: int) -> NDArray[np.uint16]:
    return (owner % np.uint64(partitions)).astype(np.uint16)


@compiled
def _condense(
    pairs: Deltas, target: NDArray[np.uint16], starts: NDArray[np.int64], sent: Deltas, moments: Deltas
) -> NDArray[np.int64]:
    """Write each partition's pairs and moments one after the other, both from ``starts``; returns where moments end.

    A moment is told again where another came between: it may be there twice.
    """
    at, told = starts.copy(), starts.copy()
    for n in range(len(pairs)):
        pair, part = pairs[n], target[n]
        back = pair["how"] & BACK
        item = pair["row"] if back else pair["item"]
        last = moments[told[part] - 1]
        if (
            told[part] == starts[part]
            or last["item"] != item
            or last["offset"] != pair["offset"]
            or last["time"] != pair["time"]
        ):
            last = moments[told[part]]
            last["item"], last["time"], last["offset"] = item, pair["time"], pair["offset"]
            told[part] += 1
        one = sent[at[part]]
        one["other"] = pair["item"] if back else pair["row"]
        one["moment"] = told[part] - starts[part] - 1
        one["lag"], one["how"] = pair["lag"], pair["how"]
        at[part] += 1
    return told


@compiled
def _expand(sent: Deltas, moments: Deltas, pairs: Deltas) -> None:
    """Fill ``pairs`` with what ``sent`` and ``moments`` say; each moment is there."""
    for n in range(len(sent)):
        one, pair = sent[n], pairs[n]
        moment = moments[one["moment"]]
        back = one["how"] & BACK
        pair["row"] = moment["item"] if back else one["other"]
        pair["item"] = one["other"] if back else moment["item"]
        pair["time"], pair["offset"] = moment["time"], moment["offset"]
        pair["lag"], pair["how"], pair["_"] = one["lag"], one["how"], 0
