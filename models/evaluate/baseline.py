"""What a baseline is: an order of items that learns from a log event by event, and may tune its settings on it.

A baseline of the shop's own is a class like those in ``knn.py`` and ``texts.py``, named by an installed package in the
entry point group ``streamrank.baselines``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from models.base.arrays import Mask
from models.evaluate.journal import Journal
from models.evaluate.lists import Scored


@dataclass(frozen=True)
class TextCutters:
    """How texts are compared: ``normalise`` for equal queries, ``tokens`` for words."""

    normalise: Callable[[str], str]
    tokens: Callable[[str], Sequence[str]]


class Baseline(ABC):
    """One baseline over one journal. ``searches``: it answers searches alone; ``filled``: items that it does not score
    follow by popularity, else they are not in its list.
    """

    name: ClassVar[str]
    searches: ClassVar[bool] = False
    filled: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, journal: Journal, texts: TextCutters) -> None:
        """Nothing of the journal is learnt yet."""

    @abstractmethod
    def advance(self, row: int) -> None:
        """Learn from all events before event ``row``."""

    @abstractmethod
    def score(self, row: int) -> Scored:
        """The items scored for event ``row``, before it is learnt from."""

    def trials(self, row: int, allowed: Mask, target: int) -> Iterator[tuple[Hashable, int]]:
        """Each setting that may be chosen, with the rank (from 1; 0: none) that it gives the ``target``."""
        return iter(())

    def choose(self, setting: Hashable) -> None:  # noqa: B027 (most have nothing to choose)
        """Answer by this setting from now on: the one of the best mean NDCG@10 among the ``trials``."""

    def chosen(self) -> str | None:
        """The setting chosen, in words; None where there is nothing to choose."""
        return None
