"""The compiled loops made ready before a worker joins: the others of its group wait while its first batch does."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from state import contexts, covisits, daily, dislikes, purchases
from state.contexts import EventColumns
from state.records import CONTEXT, COVISIT, DAILY
from state.rows import distinct_of
from streams.handlers.pairs import pairs_of
from streams.wire.packing import pack, unpacked
from streams.wire.placing import partitions_of
from streams.wire.signals import CHOICE, PAIR, TOUCH, decode_signals, encode_signals


def compile_loops(names: Collection[str]) -> None:
    """Have those that these stages use as machine code: a second where an earlier start left it, else some seconds
    (``state.compiled``).
    """
    partitions_of([b"u1"], 1)
    if {"behavior", "signals"} & set(names):
        _compile_folds()


def _compile_folds() -> None:
    one, none = np.zeros(1, np.int64), np.zeros(1, np.float32)
    items = np.ones(1, np.uint64)
    event = EventColumns(one, items, one, one.astype(np.uint8), none, one, np.zeros((0, 64), np.float32))
    pairs_of(np.zeros(2, CONTEXT), event, one)
    sent = pack(0, 0, np.zeros(1, PAIR), np.zeros(0, TOUCH), np.zeros(0, CHOICE), 1)[0]
    distinct_of(unpacked(decode_signals(encode_signals(sent)))[0]["row"])
    daily.counted(np.zeros(2, CONTEXT), np.zeros(1, DAILY), event, 1)
    contexts.fold(np.zeros(2, CONTEXT), event)
    dislikes.fold([None], np.zeros(1, np.intp), items, one, np.ones(1, np.bool_))
    purchases.fold([None], np.zeros(1, np.intp), items, one)
    covisits.fold(np.zeros(1, COVISIT), one, items, none, none, none, one.astype(np.uint32))
