"""Attributes of items, held so that a filter on one of them is a few passes over arrays.

Texts and truth values are 64-bit hashes of their normal form, numbers doubles, by name. An item that lacks a name, or
has another type under it, never matches. A pair takes 16 to 20 bytes, so five attributes of a million items take about
100 MB; names that few items have cost little.

>>> attributes = Attributes()
>>> attributes.put(0, {"colour": ["Red", "blue"], "size": 40.0})
>>> attributes.put(1, {"colour": "ＲＥＤ", "size": 42.0})
>>> attributes.match("colour", one_of(["red"]), 2).tolist()
[True, True]
>>> attributes.match("size", between(None, 41), 2).tolist()
[True, False]
>>> attributes.put(1, {}); attributes.match("colour", one_of(["red"]), 2).tolist()
[True, False]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.text.words import normalise

AttributeValue = bool | float | str | list[str] | list[bool | float | str]
#: Names that are indexed; an item's attributes beyond them are not found by a filter. Shops have tens.
MOST_NAMES: Final = 10_000
#: Pairs of items that have changed may be so many more than half of all before they are cleared away.
SPARE: Final = 4_096
#: distinct texts whose spelling is kept for facets
SPELLED: Final = 200_000
#: texts that have come last are looked through one by one, up to so many or a sixteenth of all
UNSORTED: Final = 4_096


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an attribute must be: any of the ``texts`` (hashes) or ``numbers``, or a number within ``interval``."""

    texts: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None


def one_of(values: Sequence[bool | float | str]) -> Wanted:
    """Equal to any of the values; texts by their normal form (``models.text.words.normalise``)."""
    texts = tuple(_text(v) for v in values if isinstance(v, bool | str))
    return Wanted(texts, tuple(float(v) for v in values if not isinstance(v, bool | str)))


def between(low: float | None, high: float | None) -> Wanted:
    """A number from ``low`` to ``high``, both included; None: no bound."""
    return Wanted(interval=(-np.inf if low is None else low, np.inf if high is None else high))


class Attributes:
    """The attributes of every row; ``left_out`` counts values under names beyond ``MOST_NAMES``."""

    def __init__(self) -> None:
        self.left_out = 0
        self._names: dict[str, int] = {}
        self._called: list[str] = []
        self._texts = _Texts()
        #: values by their hashes, as they were spelled first
        self._spelled: dict[int, bool | str] = {}
        self._numbers: dict[str, _Numbers] = {}
        # A pair is an item's own when it has the item's present generation.
        self._generation = np.zeros(0, np.uint32)
        self._size = np.zeros(0, np.uint16)
        self._digest = np.zeros(0, np.uint64)
        self._live = self._pairs = 0

    def put(self, row: int, attributes: Mapping[str, AttributeValue]) -> None:
        """Give a row these attributes instead of those it had."""
        self._make_room(row)
        digest = xxh3_64_intdigest(msgspec.msgpack.encode(attributes)) if attributes else 0
        if digest == self._digest[row]:
            return  # most events of an item change its price or stock only
        generation = int(self._generation[row]) + 1
        added = 0
        for name, value in attributes.items():
            code = self._code(name)
            if code < 0:
                self.left_out += len(value) if isinstance(value, list) else 1
                continue
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, bool | str):
                    text = _text(one)
                    self._texts.append(row, generation, code, text)
                    if len(self._spelled) < SPELLED:
                        self._spelled.setdefault(text, one)
                else:
                    self._numbers.setdefault(name, _Numbers()).append(row, generation, one)
                added += 1
        self._live += added - int(self._size[row])
        self._pairs += added
        self._generation[row], self._size[row], self._digest[row] = generation, added, digest
        if self._pairs > 2 * self._live + SPARE:
            self._clear_away()

    def match(self, name: str, wanted: Wanted, n: int) -> NDArray[np.bool_]:
        """Which of the first ``n`` rows have the wanted value under ``name``, (n,) bool; none under unknown names."""
        out = np.zeros(n, np.bool_)
        code, numbers = self._names.get(name, -1), self._numbers.get(name)
        for text in wanted.texts:
            rows, generations, names = self._texts.holding(text)
            self._mark(out, rows, generations, names == code)
        if numbers is not None and wanted.numbers:
            hit = np.isin(numbers.values, np.array(wanted.numbers, np.float64))
            self._mark(out, numbers.rows, numbers.generations, hit)
        if numbers is not None and wanted.interval is not None:
            low, high = wanted.interval
            hit = (numbers.values >= low) & (numbers.values <= high)
            self._mark(out, numbers.rows, numbers.generations, hit)
        return out

    def names_of(self, text: str, among: NDArray[np.bool_]) -> list[str]:
        """The names under which an item of ``among``, (n,) bool by row, has a text, in any spelling of its normal form.

        >>> attributes = Attributes(); attributes.put(0, {"colour": "Red", "size": 4.0})
        >>> attributes.names_of("red", np.array([True])), attributes.names_of("red", np.array([False]))
        (['colour'], [])
        """
        rows, generations, names = self._texts.holding(_text(text))
        own = (rows < len(among)) & (self._generation.take(rows) == generations)
        found = np.unique(names[own][among[rows[own]]])
        return [self._called[code] for code in found.tolist()]

    def values_of(self, name: str, among: NDArray[np.bool_]) -> tuple[list[bool | float | str], NDArray[np.int32]]:
        """The values that items of ``among``, (n,) bool by row, have under a name, and each one's row.

        >>> attributes = Attributes(); attributes.put(0, {"size": ["M", 40.0]}); attributes.put(1, {"size": "m"})
        >>> values, rows = attributes.values_of("size", np.array([True, True])); values, rows.tolist()
        (['M', 'M', 40.0], [0, 1, 0])
        """
        values: list[bool | float | str] = []
        rows = [np.zeros(0, np.int32)]
        code, numbers = self._names.get(name, -1), self._numbers.get(name)
        texts, hashes = self._texts, self._texts.hashes
        place = np.flatnonzero(texts.names == code)
        place = place[self._held(texts.rows.take(place), texts.generations.take(place), among)]
        place = place[[text in self._spelled for text in hashes.take(place).tolist()]] if len(place) else place
        values += [self._spelled[text] for text in hashes.take(place).tolist()]
        rows.append(texts.rows.take(place))
        if numbers is not None:
            held = self._held(numbers.rows, numbers.generations, among)
            values += numbers.values[held].tolist()
            rows.append(numbers.rows[held])
        return values, np.concatenate(rows)

    def _held(
        self, rows: NDArray[np.int32], generations: NDArray[np.uint32], among: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which pairs are their items' own, and of items of ``among``."""
        known = rows < len(among)
        known[known] = among[rows[known]]
        known &= self._generation.take(rows) == generations
        return known

    def _code(self, name: str) -> int:
        """The number of a name, -1 when there are too many."""
        code = self._names.get(name)
        if code is None:
            if len(self._names) >= MOST_NAMES:
                return -1
            code = self._names[name] = len(self._called)
            self._called.append(name)
        return code

    def _mark(
        self, out: NDArray[np.bool_], rows: NDArray[np.int32], generations: NDArray[np.uint32], hit: NDArray[np.bool_]
    ) -> None:
        place = np.flatnonzero(hit)  # then `take`: twice as fast as taking by truth values
        own = rows.take(place)
        if self._pairs != self._live:
            own = own[self._generation.take(own) == generations.take(place)]
        out[own] = True

    def _clear_away(self) -> None:
        """Drop the pairs of earlier generations."""
        for pairs in (self._texts, *self._numbers.values()):
            pairs.keep(self._generation[pairs.rows] == pairs.generations)
        self._pairs = self._live

    def _make_room(self, row: int) -> None:
        if row >= len(self._generation):
            more = max(row + 1, len(self._generation) * 3 // 2, 64) - len(self._generation)
            self._generation = np.pad(self._generation, (0, more))
            self._size = np.pad(self._size, (0, more))
            self._digest = np.pad(self._digest, (0, more))


class _Pairs:
    """Growing arrays, one value of each a pair: its row, the generation of its item, and what else there is."""

    def __init__(self, *kinds: str) -> None:
        self._n = 0
        self._arrays: list[NDArray[Any]] = [np.empty(8, kind) for kind in ("i4", "u4", *kinds)]

    @property
    def rows(self) -> NDArray[np.int32]:
        return self._arrays[0][: self._n]

    @property
    def generations(self) -> NDArray[np.uint32]:
        return self._arrays[1][: self._n]

    def append(self, *values: float) -> None:
        n = self._n
        if n == len(self._arrays[0]):
            self._arrays = [np.concatenate([a, np.empty(max(n // 2, 8), a.dtype)]) for a in self._arrays]
        for array, value in zip(self._arrays, values, strict=True):
            array[n] = value
        self._n = n + 1

    def keep(self, kept: NDArray[np.bool_]) -> None:
        self._arrays = [array[: self._n][kept] for array in self._arrays]
        self._n = len(self._arrays[0])


class _Numbers(_Pairs):
    """The numbers under one name."""

    def __init__(self) -> None:
        super().__init__("f8")

    @property
    def values(self) -> NDArray[np.float64]:
        return self._arrays[2][: self._n]


class _Texts(_Pairs):
    """The texts under all names, as hashes, each pair with its name's number: sorted by text, but for the last ones.

    So what holds a text is found without looking at all that does not, however many names there are.
    """

    def __init__(self) -> None:
        super().__init__("u4", "u8")
        self._sorted = 0

    @property
    def names(self) -> NDArray[np.uint32]:
        """Each pair's name, by its number."""
        return self._arrays[2][: self._n]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Each pair's text."""
        return self._arrays[3][: self._n]

    def holding(self, text: int) -> tuple[NDArray[np.int32], NDArray[np.uint32], NDArray[np.uint32]]:
        """Rows, generations and names' numbers of the pairs that hold a text."""
        if self._n - self._sorted > max(UNSORTED, self._sorted // 16):
            self._sort()
        wanted, texts = np.uint64(text), self._arrays[3][: self._n]
        first = np.searchsorted(texts[: self._sorted], wanted, "left")
        last = np.searchsorted(texts[: self._sorted], wanted, "right")
        later = self._sorted + np.flatnonzero(texts[self._sorted :] == wanted)
        place = np.concatenate([np.arange(first, last), later])
        rows, generations, names = (array.take(place) for array in self._arrays[:3])
        return rows, generations, names

    def keep(self, kept: NDArray[np.bool_]) -> None:
        self._sorted = int(np.count_nonzero(kept[: self._sorted]))
        super().keep(kept)

    def _sort(self) -> None:
        order = np.argsort(self._arrays[3][: self._n], kind="stable")
        self._arrays = [array[: self._n].take(order) for array in self._arrays]
        self._sorted = self._n


def _text(value: bool | str) -> int:
    """The hash of a truth value or of a text's normal form; the two never meet."""
    return xxh3_64_intdigest(b"s" + normalise(value).encode() if isinstance(value, str) else b"b%d" % value)
