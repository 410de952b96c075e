"""The catalogue: every item as a row of arrays, kept whole by every query worker.

Row numbers are stable: a deleted item keeps its row, and a later upsert revives it. So an ask, an impression
and a cached search may hold rows while the catalogue grows.

An item takes about 2 KB with a title of eight words: 1,024 bytes the wide vector, 256 the narrow one, the rest strings,
postings and indexes; with a description of 600 characters it takes 0.9 KB more (12 bytes a word, and 64 a field).
Room grows by half and untouched memory costs nothing; moving a large catalogue takes about half a second per million
rows, so a worker that knows its size gives ``capacity``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Keys, Rows
from models.items.attributes import Attributes
from models.items.bm25 import Bm25
from models.items.codes import LEVELS, Categories, Names
from models.items.entries import Entry, bad, block, decode_entry, encode_entry
from models.items.identifiers import Identifiers
from models.items.images import Images
from models.items.key_index import KeyIndex
from models.text.words import squeezed
from streamrank_client.vocabulary import COMPACT, FIRST_ENCODER, WIDE, key

__all__ = ["CAPACITY", "Catalogue", "Entry", "decode_entry", "encode_entry"]

CAPACITY: Final = 1 << 17
EVERY: Final = slice(None)
#: read-only arrays of keys whose rows are remembered
REMEMBERED: Final = 16
#: Before and after every event's time, Unix ms.
ALWAYS: Final = (-1, 1 << 62)


def title_key(title: str) -> int:
    """A key of a title's letters and digits, folded; 0 for a title without any.

    >>> title_key("Fjällräven  KÅNKEN") == title_key("fjallraven-kanken"), title_key("!")
    (True, 0)
    """
    letters = squeezed(title)
    return key(letters) if letters else 0


class Catalogue:
    """Items by row. The array properties are views of the rows in use: read them anew after each change.

    >>> catalogue = Catalogue()
    >>> unit = np.eye(1, 512)[0]
    >>> entry = Entry("p1", 7, 0, "Red tea", ["food", "tea"], "Oz", 2.5, None, True, {}, ["red", "tea"],
    ...               unit.astype("<f2").tobytes(), unit[:64].astype("<f4").tobytes())
    >>> catalogue.upsert([entry]); catalogue.row("p1"), len(catalogue)
    (0, 1)
    >>> catalogue.delete("p1"); bool(catalogue.recommendable[0]), catalogue.row("p1")
    (False, 0)
    """

    def __init__(self, capacity: int = CAPACITY, image_dim: int = 0, encoder: str = FIRST_ENCODER) -> None:
        #: version of the encoder in use: an entry with vectors of another one counts as one without
        self.encoder = encoder
        self.ids: list[str] = []
        self.titles: list[str] = []
        #: addresses of an item's page and picture, by row, of those that have any
        self.links: dict[int, tuple[str, str]] = {}
        self.lexical = Bm25()
        self.attributes = Attributes()
        self.identifiers = Identifiers()
        self.categories = Categories()
        self.brands = Names()
        self.groups = Names()
        #: images of ``image_dim`` numbers, by row; an entry's image of another size is not taken
        self.images = Images(image_dim)
        self.version = 0
        #: whether any item's price held for a time only
        self._windows = False
        self._by_id: dict[str, int] = {}
        self._by_key = KeyIndex()
        self._by_head = KeyIndex()
        self._held: dict[int, tuple[NDArray[np.uint64], int, Rows]] = {}
        self._make_room(max(capacity, 1))

    def __len__(self) -> int:
        """Rows in use, deleted items included."""
        return len(self.ids)

    def upsert(self, entries: Sequence[Entry]) -> None:
        """Add or replace items, in order; visible to the next search.

        An entry that is older than the item's last one changes nothing. Raises ModelError that names the item when its
        key is 0 or a vector has a wrong size or is not finite; nothing is changed then.
        """
        entries = [entry for entry in entries if not self.stale(entry)]
        if not entries:
            return
        if len({entry.item_id for entry in entries}) < len(entries):
            for entry in entries:
                self.upsert([entry])
            return
        for entry in entries:
            if not 0 < entry.key < 1 << 64:
                raise bad(entry, "key", f"expected 1 to 2^64 - 1, found {entry.key}")
        wide = block(entries, "vector", "<f2", WIDE)
        narrow = block(entries, "compact", "<f4", COMPACT)
        rows = self._rows_of(entries)
        self._vectors[rows] = wide
        self._compact[rows] = narrow
        foreign = rows[[entry.encoder != self.encoder for entry in entries]]
        self._vectors[foreign], self._compact[foreign] = 0, 0
        self._keys[rows] = [entry.key for entry in entries]
        self._price[rows] = [entry.price or np.nan for entry in entries]
        self._list_price[rows] = [e.list_price or np.nan for e in entries]
        self._valid_from[rows] = [ALWAYS[0] if e.valid_from is None else e.valid_from for e in entries]
        self._valid_to[rows] = [ALWAYS[1] if e.valid_to is None else e.valid_to for e in entries]
        self._windows = self._windows or any((e.valid_from, e.valid_to) != (None, None) for e in entries)
        self._in_stock[rows] = [entry.in_stock for entry in entries]
        self._alive[rows] = True
        self._recommendable[rows] = self._in_stock[rows]
        self._category[rows] = [self.categories.code(tuple(entry.category)) for entry in entries]
        self._category_path[rows] = [self.categories.levels(tuple(entry.category)) for entry in entries]
        self._time[rows] = [entry.time for entry in entries]
        self._group[rows] = [self.groups.code(e.group_id) if e.group_id else -1 for e in entries]
        self._brand[rows] = [self.brands.code(entry.brand) if entry.brand else -1 for entry in entries]
        self.images.put(rows, [entry.image for entry in entries])
        for row, entry in zip(rows.tolist(), entries, strict=True):
            self.titles[row] = entry.title
            if entry.link or entry.image_link:
                self.links[row] = entry.link, entry.image_link
            else:
                self.links.pop(row, None)
            self._titled[row] = bool(entry.title.strip())
            self._title_key[row] = title_key(entry.title)
            self.lexical.put(row, entry.tokens, *entry.words)
            self.attributes.put(row, entry.attributes)
            self.identifiers.put(row, entry.item_id, entry.attributes)
        self.version += 1

    def delete(self, item_id: str) -> None:
        """Take an item out of every search; it keeps its row. Nothing happens when it is unknown."""
        row = self._by_id.get(item_id, -1)
        if row < 0 or not self._alive[row]:
            return
        self._alive[row] = self._recommendable[row] = False
        self.lexical.drop(row)
        self.identifiers.drop(row)
        self.attributes.put(row, {})
        self.version += 1

    def row(self, item_id: str) -> int:
        """The item's row, deleted ones included; -1 when it was never here."""
        return self._by_id.get(item_id, -1)

    def rows(self, keys: NDArray[np.uint64]) -> Rows:
        """The row of each key, shape (n,), deleted items included; -1 when it was never here.

        The rows of arrays that cannot be written to are remembered, for the last few of them.
        """
        if keys.flags.writeable or keys.base is not None:
            return self._by_key.get(keys)
        held = self._held.get(id(keys))
        if held is not None and held[0] is keys and held[1] == len(self):
            return held[2]
        rows = self._by_key.get(keys)
        rows.flags.writeable = False
        while len(self._held) >= REMEMBERED:
            del self._held[next(iter(self._held))]
        self._held[id(keys)] = keys, len(self), rows
        return rows

    def rows_of_heads(self, heads: NDArray[np.uint64]) -> Rows:
        """The row of each key whose upper 32 bits are given (1 for 0), shape (n,); -1 when it was never here.

        Of two items with the same upper half (one in 4,000 of a million items has such a twin) one is found.
        """
        return self._by_head.get(heads)

    def category_keys(self, items: Keys) -> Keys:
        """Keys of the categories of u64 item keys, both (n,); 0 for none, and for items not known yet."""
        rows = self.rows(items)
        if not len(self):
            return np.zeros(len(items), np.uint64)
        code = np.where(rows >= 0, self.category[rows], -1)
        # code -1 takes the last place, which is none
        return np.append(self.categories.keys, np.uint64(0))[code]

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Item keys, (n,)."""
        return self._keys[: len(self)]

    @property
    def title_keys(self) -> Keys:
        """What ``title_key`` gives of each title, (n,)."""
        return self._title_key[: len(self)]

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Title vectors, (n, 512), unit length; zeros for none, or for one of another encoder."""
        return self._vectors[: len(self)]

    @property
    def compact(self) -> NDArray[np.float32]:
        """Projected title vectors, (n, 64), unit length or zeros likewise."""
        return self._compact[: len(self)]

    @property
    def price(self) -> NDArray[np.float32]:
        """Prices, (n,), NaN when unknown; 0 is no price."""
        return self._price[: len(self)]

    @property
    def list_price(self) -> NDArray[np.float32]:
        """Prices before reduction, (n,), NaN when unknown."""
        return self._list_price[: len(self)]

    def price_at(self, now: int, rows: Rows | slice = EVERY) -> NDArray[np.float32]:
        """What the rows cost at ``now`` (Unix ms), (n,), NaN when unknown: ``price``, or ``list_price`` while the
        promotion that ``price`` belongs to does not hold."""
        prices: NDArray[np.float32] = self.price[rows]
        if not self._windows:
            return prices
        regular: NDArray[np.float32] = np.where(self._holds(now, rows), prices, self.list_price[rows])
        return regular

    def discount_at(self, now: int, rows: Rows | slice = EVERY) -> NDArray[np.float32]:
        """1 - price / list price at ``now``, (n,), from 0 to 1; 0 where there is no promotion or no price."""
        with np.errstate(divide="ignore", invalid="ignore"):
            share: NDArray[np.float32] = 1 - self.price_at(now, rows) / self.list_price[rows]
        share[~np.isfinite(share)] = 0
        np.minimum(np.maximum(share, 0, out=share), 1, out=share)
        return share

    def promotion_ends(self, row: int) -> int | None:
        """Until when the row's ``price`` holds, Unix ms; None when that is not known."""
        end = int(self._valid_to[row])
        return end if end != ALWAYS[1] else None

    def _holds(self, now: int, rows: Rows | slice) -> NDArray[np.bool_]:
        start, end = self._valid_from[: len(self)][rows], self._valid_to[: len(self)][rows]
        held: NDArray[np.bool_] = (start <= now) & (now <= end)
        return held

    @property
    def in_stock(self) -> NDArray[np.bool_]:
        """Whether the item's last event said that it is in stock, (n,)."""
        return self._in_stock[: len(self)]

    @property
    def titled(self) -> NDArray[np.bool_]:
        """Whether the item has a title, (n,)."""
        return self._titled[: len(self)]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """False for deleted items, (n,)."""
        return self._alive[: len(self)]

    @property
    def recommendable(self) -> NDArray[np.bool_]:
        """Alive and in stock, (n,)."""
        return self._recommendable[: len(self)]

    @property
    def category(self) -> Rows:
        """Code of the whole category path (``categories.paths[code]``), (n,), -1 for none."""
        return self._category[: len(self)]

    @property
    def category_path(self) -> Rows:
        """Codes of the path's first four prefixes, root first, (n, 4), -1 where it is shorter."""
        return self._category_path[: len(self)]

    @property
    def brand(self) -> Rows:
        """Brand code (``brands.names[code]``), (n,), -1 for none."""
        return self._brand[: len(self)]

    @property
    def group(self) -> Rows:
        """Code of what variants of one product share (``groups.names[code]``), (n,), -1 for none."""
        return self._group[: len(self)]

    @property
    def time(self) -> NDArray[np.int64]:
        """Time of each item's newest event, (n,), Unix ms."""
        return self._time[: len(self)]

    @property
    def first_time(self) -> NDArray[np.int64]:
        """Time of each item's first event, (n,), Unix ms."""
        return self._first_time[: len(self)]

    def stale(self, entry: Entry) -> bool:
        """Whether an entry is older than the item's last one."""
        row = self._by_id.get(entry.item_id, -1)
        return row >= 0 and bool(self._alive[row]) and entry.time < self._time[row]

    def _rows_of(self, entries: Sequence[Entry]) -> Rows:
        """Rows of distinct items, new ones appended."""
        new = [entry for entry in entries if entry.item_id not in self._by_id]
        first = len(self)
        if first + len(new) > len(self._keys):
            self._make_room(max(first + len(new), len(self._keys) * 3 // 2))
        for row, entry in enumerate(new, first):
            self._by_id[entry.item_id] = row
            self.ids.append(entry.item_id)
            self.titles.append(entry.title)
            self._first_time[row] = entry.time if entry.first_time is None else entry.first_time
        added = np.arange(first, len(self), dtype=np.int32)
        keys = np.array([entry.key for entry in new], np.uint64)
        self._by_key.put(keys, added)
        heads, place = np.unique(np.maximum(keys >> np.uint64(32), np.uint64(1)), return_index=True)
        self._by_head.put(heads, added[place])
        return np.array([self._by_id[entry.item_id] for entry in entries], np.int32)

    def _make_room(self, capacity: int) -> None:
        # np.empty: pages that no row has touched are not resident, so generous room costs nothing.
        old, n = self.__dict__.copy(), len(self.ids)
        self._keys = np.empty(capacity, np.uint64)
        self._vectors = np.empty((capacity, WIDE), np.float16)
        self._compact = np.empty((capacity, COMPACT), np.float32)
        self._price = np.empty(capacity, np.float32)
        self._list_price = np.empty(capacity, np.float32)
        self._valid_from = np.empty(capacity, np.int64)
        self._valid_to = np.empty(capacity, np.int64)
        self._in_stock = np.empty(capacity, np.bool_)
        self._titled = np.empty(capacity, np.bool_)
        self._alive = np.empty(capacity, np.bool_)
        self._recommendable = np.empty(capacity, np.bool_)
        self._category = np.empty(capacity, np.int32)
        self._category_path = np.empty((capacity, LEVELS), np.int32)
        self._brand = np.empty(capacity, np.int32)
        self._group = np.empty(capacity, np.int32)
        self._time = np.empty(capacity, np.int64)
        self._first_time = np.empty(capacity, np.int64)
        self._title_key = np.empty(capacity, np.uint64)
        for name, array in self.__dict__.items():
            if isinstance(array, np.ndarray) and n:
                array[:n] = old[name][:n]
