"""Small integers for names and for category paths, so that filters and features compare arrays."""

from __future__ import annotations

from typing import Final

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

    def code(self, name: str) -> int:
        """The name's code, a new one if need be."""
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        return code

    def find(self, name: str) -> int:
        """The name's code, or -1."""
        return self._codes.get(name, -1)


class Categories:
    """Codes of category paths: each prefix of a path has its own code.

    >>> c = Categories(); _ = c.code(("food", "tea")); _ = c.code(("gifts", "tea")); c.paths
    [('food',), ('food', 'tea'), ('gifts',), ('gifts', 'tea')]
    >>> c.under("tea"), c.under("food"), c.under("none")
    ([1, 3], [0, 1], [])
    """

    def __init__(self) -> None:
        self.paths: list[tuple[str, ...]] = []
        self._codes: dict[tuple[str, ...], int] = {}
        self._under: dict[str, list[int]] = {}

    def code(self, path: tuple[str, ...]) -> int:
        """The path's code, -1 for the empty path; new codes for it and its prefixes if need be."""
        if not path:
            return -1
        code = self._codes.get(path)
        if code is None:
            self.code(path[:-1])
            code = self._codes[path] = len(self.paths)
            self.paths.append(path)
            for name in dict.fromkeys(path):
                self._under.setdefault(name, []).append(code)
        return code

    def levels(self, path: tuple[str, ...]) -> list[int]:
        """Codes of the path's first four prefixes, root first, filled up with -1."""
        codes = [self.code(path[: i + 1]) for i in range(min(len(path), LEVELS))]
        return codes + [-1] * (LEVELS - len(codes))

    def under(self, name: str) -> list[int]:
        """Codes of every path on which the name stands, at any level."""
        return self._under.get(name, [])
