"""The binary layouts of what is stored, behind the two bytes of ``state.layouts``. Little endian, packed.

Times are Unix milliseconds (i8) or seconds (u4). An item is its u64 key (``streamrank_client.vocabulary.key``).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamrank_client.vocabulary import COMPACT, KINDS, POPULARITY_DAYS

RING: Final = 32
SLOTS: Final = 32
NEIGHBOURS: Final = 100
FOLLOWERS: Final = 102
TOP: Final = 128
CATEGORY_TOP: Final = 32
BOUGHT_ITEMS: Final = 44
DISLIKED_ITEMS: Final = 128
DAILY_CELLS: Final = 252

#: A user's context: 1,016 bytes and two, so that a string of Redis fits in an allocation of 1 KiB.
#: The vectors are sums of item vectors in fixed point (see state/contexts.py),
#: ``short`` halves in an hour, ``long`` in 30 days; ``*_epoch`` is the epoch they are scaled to.
#: The ring holds the last 32 events in order of arrival: slot = number of the event modulo 32; ``weight``
#: is in eighths. ``encoder``: whose vectors the sums are of (``state.contexts.encoder_id``).
CONTEXT: Final = np.dtype(
    [
        ("events", "<u4"),
        ("counts", "<u4", (len(KINDS),)),
        ("short_epoch", "<i4"),
        ("long_epoch", "<i4"),
        ("last", "<i8"),
        ("short", "<i4", (COMPACT,)),
        ("long", "<i4", (COMPACT,)),
        ("item", "<u8", (RING,)),
        ("at", "<u4", (RING,)),
        ("kind", "u1", (RING,)),
        ("weight", "i1", (RING,)),
        ("encoder", "<u4"),
    ]
)

#: One item of what a user bought (state/purchases.py): the key's upper half, first and last day, number of days.
BOUGHT: Final = np.dtype([("item", "<u4"), ("first", "<u2"), ("last", "<u2"), ("count", "<u2")])

#: One item that a user disliked (state/dislikes.py): when, and when it was next put in a basket or bought, in Unix ms
#: (0: not).
DISLIKED: Final = np.dtype([("item", "<u8"), ("at", "<i8"), ("ended", "<i8")])

#: How often a user who is busier than the ring is long did what on which item today (state/daily.py): the day since
#: 1970, and counts of what has left the ring, by a hash of item and kind.
DAILY: Final = np.dtype([("day", "<u2"), ("count", "u1", (DAILY_CELLS,))])

#: An item's neighbours in users' histories, in two lists (state/covisits.py: which stay). Items are the upper 32 bits
#: of their keys, never 0 (``state.rows.heads``). Sums in forward decay: 2 ** ((t - LANDMARK) / half-life), so adding is
#: all there is. ``after``: the follower came after the row's item, 1/distance; ``together``: the neighbour within an
#: hour of it; ``wide``: within ten events or an hour, by the root of the distance. They hold what was added since the
#: item entered its list; ``mass`` is the row's unbounded total of the three. A slot with item 0 is empty, and full
#: slots come first. With 102 and 100 of them a row fills the 2 KiB that Redis allocates.
COVISIT: Final = np.dtype(
    [
        ("mass", "<f8", (3,)),
        ("follower", "<u4", (FOLLOWERS,)),
        ("after", "<f4", (FOLLOWERS,)),
        ("neighbour", "<u4", (NEIGHBOURS,)),
        ("together", "<f4", (NEIGHBOURS,)),
        ("wide", "<f4", (NEIGHBOURS,)),
    ]
)

#: What was chosen after a query: ``weight`` since the item entered the row (state/sketch.py), ``mass`` in all.
QUERY_CLICK: Final = np.dtype([("mass", "<f8"), ("item", "<u8", (SLOTS,)), ("weight", "<f8", (SLOTS,))])

#: An item's counts by kind, the sum of its ratings, and popularity decayed to ``last`` at five half-lives.
COUNT: Final = np.dtype(
    [
        ("kinds", "<u4", (len(KINDS),)),
        ("first", "<i8"),
        ("last", "<i8"),
        ("ratings", "<f8"),
        ("popularity", "<f8", (len(POPULARITY_DAYS),)),
    ]
)

#: The top items of a signals partition at each half-life: log2 of the popularity decayed to time 0.
TREND: Final = np.dtype([("item", "<u8", (len(POPULARITY_DAYS), TOP)), ("score", "<f8", (len(POPULARITY_DAYS), TOP))])

#: The top items of one category in a signals partition, best first, with scores as above at 30 days.
CATEGORY_TREND: Final = np.dtype([("item", "<u8", (CATEGORY_TOP,)), ("score", "<f8", (CATEGORY_TOP,))])
