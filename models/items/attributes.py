"""Attributes of items, held so that a filter on one of them is a few passes over arrays.

By name, a column of (row, value) pairs for the items that have it: texts and truth values as 64-bit hashes of their
normal form, numbers as doubles. An item that lacks a name, or has another type under it, never matches. A pair takes
16 bytes, so five attributes of a million items take about 100 MB; names that few items have cost little.

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
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.text.words import normalise

AttributeValue = bool | float | str | list[str]
#: Names that are indexed; an item's attributes beyond them are not found by a filter. Shops have tens.
MOST_NAMES: Final = 10_000
#: Pairs of items that have changed may be so many more than half of all before they are cleared away.
SPARE: Final = 4_096


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
        self._texts: dict[str, _Column] = {}
        self._numbers: dict[str, _Column] = {}
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
            if isinstance(value, bool | str):
                added += self._add(self._texts, name, row, generation, _text(value))
            elif isinstance(value, list):
                added += sum(self._add(self._texts, name, row, generation, _text(one)) for one in value)
            else:
                added += self._add(self._numbers, name, row, generation, value)
        self._live += added - int(self._size[row])
        self._pairs += added
        self._generation[row], self._size[row], self._digest[row] = generation, added, digest
        if self._pairs > 2 * self._live + SPARE:
            self._clear_away()

    def match(self, name: str, wanted: Wanted, n: int) -> NDArray[np.bool_]:
        """Which of the first ``n`` rows have the wanted value under ``name``, (n,) bool; none under unknown names."""
        out = np.zeros(n, np.bool_)
        texts, numbers = self._texts.get(name), self._numbers.get(name)
        if texts is not None and wanted.texts:
            self._mark(out, texts, _any_of(texts.values, np.array(wanted.texts, np.uint64)))
        if numbers is not None and wanted.numbers:
            self._mark(out, numbers, _any_of(numbers.values, np.array(wanted.numbers, np.float64)))
        if numbers is not None and wanted.interval is not None:
            low, high = wanted.interval
            self._mark(out, numbers, (numbers.values >= low) & (numbers.values <= high))
        return out

    def names_of(self, text: str, among: NDArray[np.bool_]) -> list[str]:
        """The names under which an item of ``among``, (n,) bool by row, has a text, in any spelling of its normal form.

        >>> attributes = Attributes(); attributes.put(0, {"colour": "Red", "size": 4.0})
        >>> attributes.names_of("red", np.array([True])), attributes.names_of("red", np.array([False]))
        (['colour'], [])
        """
        wanted, found = np.uint64(_text(text)), []
        for name, column in self._texts.items():
            hit = column.values == wanted
            rows = column.rows[hit]
            own = rows[self._generation[rows] == column.generations[hit]]
            if among[own[own < len(among)]].any():
                found.append(name)
        return found

    def _mark(self, out: NDArray[np.bool_], column: _Column, hit: NDArray[np.bool_]) -> None:
        place = np.flatnonzero(hit)  # then `take`: twice as fast as taking by truth values
        rows = column.rows.take(place)
        if self._pairs != self._live:
            rows = rows[self._generation.take(rows) == column.generations.take(place)]
        out[rows] = True

    def _add(self, columns: dict[str, _Column], name: str, row: int, generation: int, value: float) -> int:
        column = columns.get(name)
        if column is None:
            if len(self._texts) + len(self._numbers) >= MOST_NAMES:
                self.left_out += 1
                return 0
            column = columns[name] = _Column(np.float64 if columns is self._numbers else np.uint64)
        column.append(row, generation, value)
        return 1

    def _clear_away(self) -> None:
        """Drop the pairs of earlier generations."""
        for columns in (self._texts, self._numbers):
            for column in columns.values():
                column.keep(self._generation[column.rows] == column.generations)
        self._pairs = self._live

    def _make_room(self, row: int) -> None:
        if row >= len(self._generation):
            more = max(row + 1, len(self._generation) * 3 // 2, 64) - len(self._generation)
            self._generation = np.pad(self._generation, (0, more))
            self._size = np.pad(self._size, (0, more))
            self._digest = np.pad(self._digest, (0, more))


class _Column:
    """Growing arrays of one name's pairs: ``rows``, the ``generations`` of their items, ``values``."""

    def __init__(self, kind: type[np.float64] | type[np.uint64]) -> None:
        self._n = 0
        self._arrays: list[NDArray[np.generic]] = [np.empty(8, np.int32), np.empty(8, np.uint32), np.empty(8, kind)]

    @property
    def rows(self) -> NDArray[np.int32]:
        return self._arrays[0][: self._n]  # type: ignore[return-value]

    @property
    def generations(self) -> NDArray[np.uint32]:
        return self._arrays[1][: self._n]  # type: ignore[return-value]

    @property
    def values(self) -> NDArray[np.float64]:
        return self._arrays[2][: self._n]  # type: ignore[return-value]

    def append(self, row: int, generation: int, value: float) -> None:
        n = self._n
        if n == len(self._arrays[0]):
            self._arrays = [np.concatenate([a, np.empty(max(n // 2, 8), a.dtype)]) for a in self._arrays]
        self._arrays[0][n], self._arrays[1][n], self._arrays[2][n] = row, generation, value
        self._n = n + 1

    def keep(self, kept: NDArray[np.bool_]) -> None:
        self._arrays = [array[: self._n][kept] for array in self._arrays]
        self._n = len(self._arrays[0])


def _any_of(values: NDArray[np.float64], wanted: NDArray[np.float64] | NDArray[np.uint64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = values == wanted[0] if len(wanted) == 1 else np.isin(values, wanted)
    return found


def _text(value: bool | str) -> int:
    """The hash of a truth value or of a text's normal form; the two never meet."""
    return xxh3_64_intdigest(b"s" + normalise(value).encode() if isinstance(value, str) else b"b%d" % value)
