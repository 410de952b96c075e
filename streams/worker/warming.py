"""The compiled loops of ingest made ready before the first batch comes."""

from __future__ import annotations

import numpy as np

from state import contexts, covisits, purchases
from state.contexts import EventColumns
from state.records import CONTEXT, COVISIT
from state.rows import distinct_of
from streams.handlers.pairs import pairs_of
from streams.wire.packing import pack, unpacked
from streams.wire.signals import CHOICE, PAIR, TOUCH, decode_signals, encode_signals


def compile_loops() -> None:
    """Have them as machine code: a second where an earlier start left it, else some seconds (``state.compiled``)."""
    one, none = np.zeros(1, np.int64), np.zeros(1, np.float32)
    items = np.ones(1, np.uint64)
    event = EventColumns(one, items, one, one.astype(np.uint8), none, one, np.zeros((0, 64), np.float32))
    pairs_of(np.zeros(2, CONTEXT), event, one)
    sent = pack(0, 0, np.zeros(1, PAIR), np.zeros(0, TOUCH), np.zeros(0, CHOICE), 1)[0]
    distinct_of(unpacked(decode_signals(encode_signals(sent)))[0]["row"])
    contexts.fold(np.zeros(2, CONTEXT), event)
    purchases.fold([None], np.zeros(1, np.intp), items, one)
    covisits.fold(np.zeros(1, COVISIT), one, items, none, none, none, one.astype(np.uint32))
