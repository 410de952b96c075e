"""The compiled loops: ready before the first batch, for the very types that batches have."""

from __future__ import annotations

from typing import Any

import numpy as np

from state import compiled, contexts, covisits, daily, dislikes, purchases, rows
from streamrank_client.making import behavior
from streams.handlers import pairs as pairing
from streams.handlers.signals import fold_signals
from streams.wire import packing, placing
from streams.wire.packing import pack
from streams.wire.placing import partitions_of
from streams.wire.signals import CHOICE, PAIR, TOUCH, decode_signals, encode_signals
from streams.worker.warming import compile_loops
from tests.support.driving import AT, PARTITIONS, Ingest, records

LOOPS: tuple[Any, ...] = (
    pairing._pair,
    packing._condense,
    packing._expand,
    placing._hashes,
    rows._number,
    daily._count,
    contexts._interest,
    dislikes._add,
    purchases._add,
    covisits._add_follower,
    covisits._add_neighbour,
)


def kinds() -> list[int]:
    """For how many sets of types each loop has been compiled."""
    found: list[Any] = [compiled._machine_code(loop.__wrapped__) for loop in LOOPS]
    return [len(loop.signatures) for loop in found]


def test_a_batch_needs_no_compiling_once_the_loops_are_ready() -> None:
    """Events through the handlers, and their signals as they come from the wire, meet the code that is there."""
    compile_loops(["behavior"])
    ready = kinds()
    ingest = Ingest()
    bought = [behavior("purchase", event_id=f"e{n}", user_id="u1", item_id=f"p{n}", time=AT + n) for n in range(5)]
    refused = behavior("dislike", event_id="no", user_id="u1", item_id="p1", time=AT + 9)
    ingest.fold(records([*bought, refused]))
    found = [delta for delta in ingest.deltas if delta.kind == "pair" and delta.target == 0]
    partitions_of([b"u1"], PARTITIONS)
    pairs = np.zeros(len(found), PAIR)
    for place, delta in enumerate(found):
        for name, value in delta.fields:
            pairs[name][place] = value
    sent = pack(0, 0, pairs, np.zeros(0, TOUCH), np.zeros(0, CHOICE), PARTITIONS)[0]
    wire = decode_signals(encode_signals(sent))
    folding = fold_signals([wire], np.full(PARTITIONS, -1), PARTITIONS, 0)
    names = next(folding)
    try:
        folding.send([None] * len(names))
    except StopIteration:
        pass
    assert len(found) > 0
    assert kinds() == ready


def test_a_worker_of_queries_alone_compiles_what_it_uses() -> None:
    """Every batch is looked through for records of other partitions, and nothing else of it is compiled."""
    compile_loops(["query"])
    assert kinds()[LOOPS.index(placing._hashes)] == 1
