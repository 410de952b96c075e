"""The compiled loops of ingest made ready before the first batch comes."""

from __future__ import annotations

import numpy as np

from state import contexts, covisits, purchases
from state.contexts import Events
from state.records import CONTEXT, COVISIT
from streams.handlers.pairs import pairs_of


def compile_loops() -> None:
    """Have them as machine code: a second where an earlier start left it, else some seconds (``state.compiled``)."""
    one, none = np.zeros(1, np.int64), np.zeros(1, np.float32)
    items = np.ones(1, np.uint64)
    event = Events(one, items, one, one.astype(np.uint8), none, one, np.zeros((0, 64), np.float32))
    pairs_of(np.zeros(2, CONTEXT), event, one)
    contexts.fold(np.zeros(2, CONTEXT), event)
    purchases.fold([None], np.zeros(1, np.intp), items, one)
    covisits.fold(np.zeros(1, COVISIT), one, items, none, none, none, one.astype(np.uint32))
