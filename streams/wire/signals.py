"""Signals: the item- and query-side updates that follow from one batch of behaviour events.

One record for each target partition, packed. Every delta carries the offset of the behaviour event it
comes from, so a receiver drops exactly those it has already stored, however a batch is cut the second time.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

#: ``item`` and ``row``'s item were ``lag`` events of a user apart. ``how`` holds the bits AFTER (``item`` came later,
#: by at most five events, and both were liked), TOGETHER (both were liked, within an hour) and BACK (``row``'s item is
#: that of the event which ``time`` and ``offset`` are of; else ``item`` is).
PAIR: Final = np.dtype(
    [("row", "<u8"), ("item", "<u8"), ("time", "<u4"), ("offset", "<u4"), ("lag", "<u2"), ("how", "<u2"), ("_", "<u4")]
)
AFTER: Final = 1
TOGETHER: Final = 2
BACK: Final = 4
#: Pairs as they travel: an event that makes sixty is told once, as a MOMENT, and a SENT_PAIR names it by its place.
MOMENT: Final = np.dtype([("item", "<u8"), ("time", "<u4"), ("offset", "<u4")])
SENT_PAIR: Final = np.dtype([("other", "<u8"), ("moment", "<u4"), ("lag", "<u2"), ("how", "<u2")])
#: An event on an item: its kind's code and a value (a rating's stars, else 1).
TOUCH: Final = np.dtype([("item", "<u8"), ("time", "<u4"), ("offset", "<u4"), ("value", "<f4"), ("kind", "<u4")])
#: added to the kind of an event that was counted and is taken back
TAKEN_BACK: Final = 1 << 8
#: An item was chosen after a query, with the event's weight.
CHOICE: Final = np.dtype(
    [("query", "<u8"), ("item", "<u8"), ("weight", "<f4"), ("time", "<u4"), ("offset", "<u4"), ("_", "<u4")]
)


#: an array of one of these layouts
Deltas = NDArray[Any]


class Signals(msgspec.Struct, array_like=True):
    """The deltas of one behaviour batch for one target partition.

    ``source``: partition of behavior-events; ``base``: its first offset here. ``pairs``, ``touches``,
    ``choices`` and ``moments`` are the bytes of arrays of SENT_PAIR, TOUCH, CHOICE and MOMENT; an ``offset`` counts
    from ``base``. Times are Unix seconds. ``texts``: each distinct query text of the choices, normalised (a choice
    holds its key).
    """

    source: int
    base: int
    pairs: bytes
    touches: bytes
    choices: bytes
    texts: list[str] = []
    moments: bytes = b""


encode_signals = msgspec.msgpack.Encoder().encode
decode_signals = msgspec.msgpack.Decoder(Signals).decode
