"""A hash table from u64 keys to catalogue rows, looked up and filled a whole array at a time.

Open addressing with linear probing in one power-of-two table at most half full. Keys are xxh3 hashes,
so their own bits are the hash. Key 0 marks an empty slot and is never stored.

>>> index = KeyIndex()
>>> index.put(np.array([7, 9], np.uint64), np.array([0, 1], np.int32))
>>> index.get(np.array([9, 8, 0], np.uint64)).tolist()
[1, -1, -1]
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.base.arrays import Keys, Rows

SMALLEST: Final = 1 << 10


class KeyIndex:
    """u64 key -> int32 row; 24 to 48 bytes a key. Two ids with the same key (2^-64 a pair) share a row."""

    def __init__(self) -> None:
        self._keys = np.zeros(SMALLEST, np.uint64)
        self._rows = np.full(SMALLEST, -1, np.int32)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def get(self, keys: Keys) -> Rows:
        """The row of each key, shape as given; -1 where it is unknown or 0."""
        mask = np.int64(len(self._keys) - 1)
        slots = keys.astype(np.int64) & mask
        found = self._keys.take(slots)
        out = self._rows.take(slots)
        # an empty slot ends the search, and its row is -1; what another key holds is probed on
        on = np.flatnonzero((found != keys) & (found != 0))
        slots = slots.take(on)
        while len(on):
            slots = (slots + 1) & mask
            found = self._keys.take(slots)
            out[on] = self._rows.take(slots)
            further = np.flatnonzero((found != keys.take(on)) & (found != 0))
            on, slots = on.take(further), slots.take(further)
        return out

    def put(self, keys: Keys, rows: Rows) -> None:
        """Store each key's row; ``keys`` are distinct. Raises ValueError on key 0."""
        if not keys.all():
            raise ValueError(
                "key 0 marks an empty slot: hash ids with streamrank_client.vocabulary.key, which never gives 0"
            )
        while 2 * (self._used + len(keys)) > len(self._keys):
            self._grow()
        self._place(keys, rows)

    def _grow(self) -> None:
        held = np.flatnonzero(self._keys)
        keys, rows = self._keys[held], self._rows[held]
        self._keys = np.zeros(2 * len(self._keys), np.uint64)
        self._rows = np.full(len(self._keys), -1, np.int32)
        self._used = 0
        self._place(keys, rows)

    def _place(self, keys: Keys, rows: Rows) -> None:
        mask = np.int64(len(self._keys) - 1)
        slots = keys.astype(np.int64) & mask
        while len(keys):
            empty = self._keys[slots] == 0
            self._keys[slots[empty]] = keys[empty]
            # Several keys may want one empty slot: the one that is there now has won, the others probe on.
            won = self._keys[slots] == keys
            self._rows[slots[won]] = rows[won]
            self._used += int(np.count_nonzero(won & empty))
            keys, rows, slots = keys[~won], rows[~won], (slots[~won] + 1) & mask
