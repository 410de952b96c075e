"""Queries that others have chosen after: folded into their rows, and told when a row's mass has doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.lore.known_queries import KnownQuery, encode_query
from state import query_clicks
from state.rows import Records
from streamrank_client.vocabulary import key
from streams.wire.messages import Message
from streams.wire.signals import Signals

#: a longer text is a pasted page or a question, which nobody asks again
LONGEST: Final = 120
TOLD: Final = 8


@dataclass(frozen=True, slots=True)
class ToldQuery:
    """A query text as it stands where its row's mass last doubled.

    ``text``: normalised; ``key``: its u64; ``time``: Unix seconds of its newest choice; ``weight``: of all its
    choices, decayed to then; ``items``: u64 keys of at most 8 with ``weights``, decayed likewise, heaviest first.
    """

    text: str
    key: int
    time: int
    weight: float
    items: list[int]
    weights: list[float]


def texts_of(records: Sequence[Signals]) -> dict[int, str]:
    """The query texts of signals records by u64 key, but for texts too long to be asked again."""
    return {key(text): text for record in records for text in record.texts if 0 < len(text) <= LONGEST}


def fold_choices(
    rows: Records, queries: NDArray[np.uint64], row: NDArray[np.intp], choices: NDArray[Any], texts: Mapping[int, str]
) -> list[ToldQuery]:
    """Fold choices (d,) into QUERY_CLICK ``rows`` (R,) in place; returns the queries to tell of, in order of rows.

    ``queries`` (R,): the rows' keys; ``row`` (d,): each delta's. What is told of a query depends on its choices in
    the order of their times alone, not on the batches in which they came.
    """
    order = np.argsort(choices["time"], kind="stable")
    own, some = row[order], choices[order]
    until, doubled = query_clicks.until_doubled(rows, own, some["weight"], some["time"])
    own, some = own[until], some[until]
    then = rows[doubled]
    query_clicks.fold(then, (np.cumsum(doubled) - 1)[own], some["item"], some["weight"], some["time"])
    newest = np.zeros(len(rows), np.uint32)
    newest[own] = some["time"]
    query_clicks.fold(rows, row, choices["item"], choices["weight"], choices["time"])
    told = zip(then, queries[doubled].tolist(), newest[doubled].tolist(), strict=True)
    return [_chosen(one, texts[query], query, time) for one, query, time in told if query in texts]


def _chosen(row: np.void, text: str, query: int, time: int) -> ToldQuery:
    found = query_clicks.decayed(row.reshape(1), time)
    best = np.argsort(-found.weight[0], kind="stable")[:TOLD]
    best = best[(found.item[0][best] != 0) & (found.weight[0][best] > 0)]
    items, weights = found.item[0][best].tolist(), found.weight[0][best].tolist()
    return ToldQuery(text, query, time, float(found.mass[0]), items, weights)


def told_message(chosen: ToldQuery, compact: NDArray[np.float32], encoder: str, target: str) -> Message:
    """A query as a record of the topic ``target``; ``compact`` (64,): the text's vector, by ``encoder``."""
    query = KnownQuery(
        text=chosen.text,
        key=chosen.key,
        time=chosen.time,
        weight=chosen.weight,
        items=chosen.items,
        weights=chosen.weights,
        compact=compact.astype("<f4").tobytes(),
        encoder=encoder,
    )
    return Message(target, chosen.text.encode(), encode_query(query))
