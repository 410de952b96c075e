"""What is held of an item, or of a rule: when its events happened, and the item as they leave it.

Event time decides which of them hold, in whatever order they arrive: a whole item replaces what is older, a change of
some fields replaces those fields of what is older, and a delete ends what is older. So an event that comes late leaves
what a replay in order of time leaves.
"""

from __future__ import annotations

import msgspec

#: How long is known when something was deleted, and what was to change of an item that is not held, in seconds.
KEPT_S = 30 * 86_400


class ItemTimes(msgspec.Struct, array_like=True):
    """``time``: of the whole item, Unix ms, -1 where none is held; ``deleted``: of the newest delete, -1 for none;
    ``item``: the item as it was sent; ``changes``: by field that was changed since, when, and the changed value, both
    of later date than the item; texts of JSON. Only append fields.
    """

    time: int = -1
    deleted: int = -1
    item: bytes = b""
    changes: dict[str, tuple[int, bytes]] = {}

    @property
    def newest(self) -> int:
        """Time of the newest event that holds."""
        return max([self.time, self.deleted, *(time for time, _ in self.changes.values())])

    def put(self, time: int, item: bytes) -> bool:
        """Take a whole item; False for one that is older than what is held.

        >>> held = ItemTimes(); held.put(5, b"a"), held.put(4, b"b"), held.item
        (True, False, b'a')
        """
        if time < max(self.time, self.deleted):
            return False
        self.time, self.item, self.deleted = time, item, -1
        self._forget(time)
        return True

    def delete(self, time: int) -> bool:
        """Take a delete; False for one that is older than what is held.

        >>> held = ItemTimes(); held.delete(5), held.put(4, b"a"), held.put(6, b"b"), held.delete(5)
        (True, False, True, False)
        """
        if time < max(self.time, self.deleted):
            return False
        self.time, self.deleted, self.item = -1, time, b""
        self._forget(time)
        return True

    def change(self, time: int, values: dict[str, bytes]) -> bool:
        """Take new values of some fields; False where all of them are older than what is held.

        >>> held = ItemTimes(); held.change(6, {"price": b"2"}), held.put(5, b"a"), held.changes
        (True, True, {'price': (6, b'2')})
        >>> held.change(5, {"price": b"3"}), held.put(7, b"b"), held.changes
        (False, True, {})
        """
        taken = False
        for field, value in values.items():
            known = self.changes.get(field, (-1, b""))[0]
            if time >= max(self.time, self.deleted, known):
                self.changes[field] = time, value
                taken = True
        return taken

    def _forget(self, time: int) -> None:
        """Changes up to a time hold no more."""
        self.changes = {field: change for field, change in self.changes.items() if change[0] > time}


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(ItemTimes)


def decode(value: bytes | None) -> ItemTimes:
    """What is stored of an item. Raises msgspec.DecodeError when the bytes are none of it."""
    return ItemTimes() if value is None else _decoder.decode(value)
