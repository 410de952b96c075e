"""Small integers for names and for category paths, so that filters and features compare arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.text.words import normalise, singular

#: Levels of a category path that a catalogue row holds.
LEVELS: Final = 4


class Names:
    """Codes 0, 1, 2, … of names, in order of first appearance.

    >>> names = Names(); names.code("b"), names.code("a"), names.code("b"), names.names
    (0, 1, 0, ['b', 'a'])
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._called: dict[str, list[int]] = {}

    def code(self, name: str) -> int:
        """The name's code, a new one if need be."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
            folded = normalise(name)
            for called in dict.fromkeys([folded, *folded.split()]):
                self._called.setdefault(called, []).append(code)
        return code

    def called(self, text: str) -> list[int]:
        """Codes of the names that are a text, or have it as a word; the text normalised.

        >>> names = Names(); _ = names.code("Best Buy")
        >>> names.called("best buy"), names.called("buy"), names.called("b")
        ([0], [0], [])
        """
        return self._called.get(text, [])

    def find(self, name: str) -> int:
        """The name's code, or -1."""
        return self._codes.get(name, -1)


def folded(name: str) -> str:
    """A category's name as texts are searched for it: normalised, English words in the singular.

    >>> folded("Red  Dresses"), folded("女裝")
    ('red dress', '女装')
    """
    return " ".join(singular(word) for word in normalise(name).split())


class Categories:
    """Codes of category paths: each prefix of a path has its own code.

    >>> c = Categories(); _ = c.code(("food", "tea")); _ = c.code(("gifts", "tea")); c.paths
    [('food',), ('food', 'tea'), ('gifts',), ('gifts', 'tea')]
    >>> c.under("tea"), c.under("food"), c.under("none")
    ([1, 3], [0, 1], [])
    """

    def __init__(self) -> None:
        self.paths: list[tuple[str, ...]] = []
        self._keys: list[int] = []
        self._array = np.zeros(0, np.uint64)
        self._codes: dict[tuple[str, ...], int] = {}
        self._under: dict[str, list[int]] = {}
        #: names by their normalised form, English words in the singular
        self.folded: dict[str, list[str]] = {}

    def code(self, path: tuple[str, ...]) -> int:
        """The path's code, -1 for the empty path; new codes for it and its prefixes if need be."""
        if not path:
            return -1
        code = self._codes.get(path)
        if code is None:
            self.code(path[:-1])
            code = self._codes[path] = len(self.paths)
            self.paths.append(path)
            self._keys.append(xxh3_64_intdigest("\x1f".join(path).encode()) or 1)
            for name in dict.fromkeys(path):
                if name not in self._under:
                    self.folded.setdefault(folded(name), []).append(name)
                self._under.setdefault(name, []).append(code)
        return code

    @property
    def keys(self) -> NDArray[np.uint64]:
        """A key of each path, by code, never 0: codes are a worker's own, keys are the same everywhere."""
        if len(self._array) < len(self._keys):
            self._array = np.array(self._keys, np.uint64)
        return self._array

    def levels(self, path: tuple[str, ...]) -> list[int]:
        """Codes of the path's first four prefixes, root first, filled up with -1."""
        codes = [self.code(path[: i + 1]) for i in range(min(len(path), LEVELS))]
        return codes + [-1] * (LEVELS - len(codes))

    def under(self, name: str) -> list[int]:
        """Codes of every path on which the name stands, at any level."""
        return self._under.get(name, [])
