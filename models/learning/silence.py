"""Sources that fell silent: each feedback tells which sources scored any item of the list that was shown.

A source that scored something in a share p of the lists, and then nothing in n lists on end, would do so by chance
with probability (1 - p)^n. Where that is below CHANCE it is told, once until the source speaks again. The loss of
the answers need not rise when a source dies that others can stand in for; this tells it all the same.

>>> silences = Silences()
>>> for n in range(400):
...     told = silences.update(["covisits", "popular"] if n % 2 else ["popular"])
>>> next(n for n in range(400) if silences.update(["popular"])), silences.update(["popular"])
(49, [])
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p
from typing import Final

import msgspec

from models.base.errors import StateError

#: how unlikely a silence must be
CHANCE: Final = 1e-9
#: lists on end without a score before it can be told, as one user's lists are alike; lists after which it can be told
LEAST: Final = 50
KNOWN: Final = 100
#: older lists weigh less by 1 in so many with each list that the source scored in
MEMORY: Final = 2_000.0
LAYOUT: Final = "1"


class _Source(msgspec.Struct):
    """Lists in which it ``scored`` out of all ``lists`` up to the last of them, and those without a score since."""

    scored: float = 0.0
    lists: float = 0.0
    silent: int = 0
    told: bool = False

    def spoke(self) -> None:
        kept = 1 - 1 / MEMORY
        self.scored = self.scored * kept + 1
        self.lists = self.lists * kept + self.silent + 1
        self.silent, self.told = 0, False

    def kept_silent(self) -> bool:
        """Whether this list's silence is the one that is told."""
        self.silent += 1
        if self.told or self.silent < LEAST or self.lists < KNOWN:
            return False
        share = self.scored / (self.lists + 2)
        self.told = self.silent * log1p(-share) < log(CHANCE)
        return self.told


class _State(msgspec.Struct, frozen=True, kw_only=True):
    layout: str
    sources: dict[str, _Source]


class Silences:
    """What each source of a surface used to say, and for how long it has been silent."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def update(self, scored: Sequence[str]) -> list[str]:
        """Take the sources that scored in one list; returns those that are told to be silent."""
        told = [name for name, one in self._sources.items() if name not in scored and one.kept_silent()]
        for name in scored:
            self._sources.setdefault(name, _Source()).spoke()
        return told

    def state(self) -> bytes:
        """Everything that was counted, as msgpack: ``restore`` continues exactly. Stored: only append fields."""
        return msgspec.msgpack.encode(_State(layout=LAYOUT, sources=self._sources))

    @classmethod
    def restore(cls, state: bytes) -> Silences:
        """What ``state`` was taken of. Raises StateError when it cannot be continued from."""
        remedy = "delete the key silence:* in Redis: it is counted anew."
        try:
            saved = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise StateError(f"state of silent sources ({len(state)} bytes): {error}.", remedy) from error
        if saved.layout != LAYOUT or not all(0 <= one.scored <= one.lists for one in saved.sources.values()):
            raise StateError(f"state of silent sources: layout {saved.layout!r} with wrong counts.", remedy)
        found = cls()
        found._sources = saved.sources
        return found
