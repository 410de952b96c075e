"""What an exploration policy is given, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.base.arrays import Doubles, Places
from models.base.errors import ModelError


def _none() -> Places:
    return np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class Slate:
    """A ranked list of which page one may be explored.

    ``scores`` (w,): of page one and of as many items behind it, highest first; ``free`` (m,): positions of page one
    that may change; ``ranked``: how many items there are in all. ``pool``: places of new items behind page one that
    may be given a position of it, each position with the chance ``given``, but never the first.
    """

    scores: Doubles
    free: NDArray[np.bool_]
    ranked: int
    request_id: str
    pool: Places = field(default_factory=_none)
    given: float = 0.0

    @property
    def givable(self) -> Places:
        """The positions that new items may get."""
        places = np.flatnonzero(self.free)
        return places[places > 0]

    def reach(self, floor: float) -> float:
        """How much lower than a position's own score that of what is shown there may be; ``floor`` 0 is none."""
        return floor * float(self.scores.std()) if floor > 0 and len(self.scores) else inf


@dataclass(frozen=True, slots=True)
class ExploredPage:
    """``order``: (m,) places in the ranked list, in the order shown; ``propensity``: (m,) f8, see the policy.

    ``exchange``: (m, 2) f8 for learning position bias: min(1, P' / P), where P is the probability of what was shown
    and P' that of the same with this item one position higher, and one lower; 0 where that cannot be.
    """

    order: Places
    propensity: Doubles
    exchange: Doubles


class Policy(Protocol):
    """How page one of a ranked list is explored; ``name`` stands on answers. All chance is from the request id.

    Returns an order of all ranked items; the pages are cut from it, so an item that came to page one is not on page
    two. What ``propensity`` means differs:

    - ``none`` and ``epsilon-swap``: the probability with which this item stands at this position, given the ranked
      list. Positions hang together, so their product is not the probability of the list.
    - ``plackett-luce``: the same, given what stands above it as well. The product over all positions down to one is
      the probability of the list down to it.
    """

    @property
    def name(self) -> str:
        """As in ``STREAMRANK_EXPLORATION``."""
        ...

    def __call__(self, slate: Slate) -> ExploredPage:
        """What is shown of all ``slate.ranked`` items."""
        ...


def checked_floor(floor: float) -> float:
    """Raises ModelError unless ``floor`` is a finite number of 0 or more."""
    if not 0 <= floor < inf:
        raise ModelError(f"floor: {floor} is no distance.", "set STREAMRANK_FLOOR to 0 (none) or more.")
    return floor


#: the policy whose propensities are given what stands above
CONDITIONAL: Final = "plackett-luce"
