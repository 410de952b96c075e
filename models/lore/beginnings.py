"""Texts by row, found by how they begin.

New texts are merged into a sorted list at the next look, which costs a pass over it; what was replaced is left out.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

_LAST: Final = "\U0010ffff"


class Beginnings:
    """Texts by row.

    >>> texts = Beginnings()
    >>> for row, text in enumerate(["red tea", "wine", "red wine"]): texts.put(row, text)
    >>> texts.starting("red"), texts.starting("red w")
    ([0, 2], [2])
    >>> texts.put(0, "reddish"); texts.starting("red"), texts.starting("red ")
    ([2, 0], [2])
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._sorted: list[tuple[str, int]] = []
        self._new: list[tuple[str, int]] = []

    def put(self, row: int, text: str) -> None:
        """Store or replace a row's text; rows come in order, a new one is the next."""
        if row == len(self._texts):
            self._texts.append(text)
        elif self._texts[row] == text:
            return
        self._texts[row] = text
        self._new.append((text, row))

    def starting(self, start: str) -> list[int]:
        """The rows whose texts begin so, in order of these."""
        if self._new:
            # sorted but for its end: Python's sort merges the two
            self._sorted += self._new
            self._sorted.sort()
            self._new.clear()
            if len(self._sorted) > 2 * len(self._texts) + 64:
                self._sorted = sorted((text, row) for row, text in enumerate(self._texts))
        first, last = bisect_left(self._sorted, (start, -1)), bisect_left(self._sorted, (start + _LAST, -1))
        rows = (row for text, row in self._sorted[first:last] if self._texts[row] == text)
        return list(dict.fromkeys(rows))
