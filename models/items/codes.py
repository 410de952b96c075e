"""Small integers for names and for category paths, so that filters and features compare arrays."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.base.arrays import Rows
from models.text.words import normalise, singular

#: Levels of a category path that a catalogue row holds.
LEVELS: Final = 4


#: letters that no decomposition takes apart, and the plain ones that people type for them
_PLAIN: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
#: what joins the names of a category path that is written as one text
PATH: Final = ">"


def normal(name: str) -> str:
    """A brand or category in its normal form: without regard to case, width, Chinese script, accents and blanks.

    >>> normal(" ＳＯＮＹ  Café "), normal("ガス"), normal("數碼")
    ('sony cafe', 'ガス', '数码')
    """
    apart = unicodedata.normalize("NFD", normalise(name))
    plain = "".join(one for one in apart if not 0x300 <= ord(one) <= 0x36F)
    return " ".join(unicodedata.normalize("NFC", plain).translate(_PLAIN).split())


class Names:
    """Codes 0, 1, 2, … of names, in order of first appearance.

    >>> names = Names(); names.code("b"), names.code("a"), names.code("b"), names.names
    (0, 1, 0, ['b', 'a'])
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._called: dict[str, list[int]] = {}
        self._alike: dict[str, list[int]] = {}
        self._first: list[int] = []

    def code(self, name: str) -> int:
        """The name's code, a new one if need be."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
            alike = self._alike.setdefault(normal(name), [])
            alike.append(code)
            self._first.append(alike[0])
            folded = normalise(name)
            for called in dict.fromkeys([folded, *folded.split()]):
                self._called.setdefault(called, []).append(code)
        return code

    def __len__(self) -> int:
        """How many names there are."""
        return len(self.names)

    def called(self, text: str) -> list[int]:
        """Codes of the names that are a text, or have it as a word; the text normalised.

        >>> names = Names(); _ = names.code("Best Buy")
        >>> names.called("best buy"), names.called("buy"), names.called("b")
        ([0], [0], [])
        """
        return self._called.get(text, [])

    def alike(self, name: str) -> list[int]:
        """Codes of the names of one normal form.

        >>> names = Names(); names.code("Sony"), names.code("SONY"), names.alike("sony"), names.alike("so")
        (0, 1, [0, 1], [])
        """
        return self._alike.get(normal(name), [])

    def first_alike(self, codes: Rows) -> list[int]:
        """For each code the first one of its normal form; -1 for -1."""
        return [self._first[code] if code >= 0 else -1 for code in codes.tolist()]


def folded(name: str) -> str:
    """A category's name as texts are searched for it: normalised, English words in the singular.

    >>> folded("Red  Dresses"), folded("女裝")
    ('red dress', '女装')
    """
    return " ".join(singular(word) for word in normalise(name).split())


def _holds(path: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether the parts stand on a path one below the other."""
    return any(path[n : n + len(parts)] == parts for n in range(len(path) - len(parts) + 1))


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
        self._normal: list[tuple[str, ...]] = []
        self._alike: dict[tuple[str, ...], int] = {}
        self._called: set[str] = set()
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
            self._normal.append(tuple(map(normal, path)))
            self._alike.setdefault(self._normal[code], code)
            for name in dict.fromkeys(path):
                if name not in self._called:
                    self._called.add(name)
                    self.folded.setdefault(folded(name), []).append(name)
            for name in dict.fromkeys(self._normal[code]):
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
        """Codes of every path on which the name stands, at any level, in any spelling of its normal form.

        A name such as ``Men > Shoes`` is also a part of a path: its names one below the other.

        >>> c = Categories(); _ = c.code(("Men", "Shoes", "Boots")), c.code(("Women", "Shoes"))
        >>> c.under("MEN"), c.under("shoes"), c.under("men > shoes"), c.under("shoes > men")
        ([0, 1, 2], [1, 2, 4], [1, 2], [])
        """
        found = self._under.get(normal(name), [])
        parts = tuple(normal(part) for part in name.split(PATH))
        if len(parts) == 1:
            return found
        below = [code for code in self._under.get(parts[-1], []) if _holds(self._normal[code], parts)]
        return sorted({*found, *below})

    def among(self, names: Sequence[str | Sequence[str]]) -> list[int]:
        """Codes of what a filter asks for: paths on which any of the names stands, or that a list among them begins.

        Names that are, in their order, the beginning of a path of the catalogue are meant as that path.

        >>> c = Categories(); _ = c.code(("Men", "Shoes")), c.code(("Women", "Shoes")), c.code(("Women", "Hats"))
        >>> c.among(["men", "shoes"]), c.among(["shoes", "hats"]), c.among([["Women", "Shoes"], "men"])
        ([1], [1, 3, 4], [0, 1, 3])
        """
        flat = [name for name in names if isinstance(name, str)]
        if len(flat) == len(names) > 1 and (beginning := self._beginning(flat)):
            return beginning
        found: set[int] = set()
        for name in names:
            found.update(self.under(name) if isinstance(name, str) else self._beginning(name))
        return sorted(found)

    def first_alike(self, codes: Rows) -> list[int]:
        """For each code the first one of its normal form; -1 for -1."""
        return [self._alike[self._normal[code]] if code >= 0 else -1 for code in codes.tolist()]

    def _beginning(self, names: Sequence[str]) -> list[int]:
        """Codes of the paths that begin with some names."""
        parts = tuple(normal(name) for name in names)
        first = self._under.get(parts[-1], []) if parts else []
        return [code for code in first if self._normal[code][: len(parts)] == parts]
