"""Exploration: show, now and then, an item that the ranker would not have shown, and log how likely that was.

Logged propensities make answers comparable offline: a click divided by its propensity is an unbiased estimate
under any other policy (Horvitz and Thompson, 1952; Bottou et al., "Counterfactual Reasoning and Learning
Systems", 2013). All chance is drawn from the request id, so a replay explores as the first run did. What each policy's
propensity means is told at ``models.exploration.slates.Policy``.

>>> scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
>>> shown(scores, 2, "r1", nothing).order.tolist()
[0, 1]
>>> one = shown(scores, 2, "r0", epsilon_swap(0.5))
>>> one.order.tolist(), one.propensity.tolist()
([0, 2], [0.75, 0.125])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.base.arrays import Doubles, Places
from models.base.errors import ModelError
from models.exploration.plackett_luce import PlackettLuce
from models.exploration.slates import ExploredPage, Policy, Slate, checked_floor

__all__ = ["EVERY", "POLICIES", "ExploredPage", "Policy", "Slate", "epsilon_swap", "nothing", "policy", "shown"]

#: the policies by name
POLICIES: Final = ("none", "epsilon-swap", "plackett-luce")
#: ranges of positions, from 1: all of them
EVERY: Final[tuple[tuple[int, int], ...]] = ((1, 1 << 30),)


def shown(
    scores: NDArray[np.floating],
    limit: int,
    request_id: str,
    policy: Policy,
    offset: int = 0,
    pinned: Places | None = None,
    late: int = 0,
    new: NDArray[np.bool_] | None = None,
    new_share: float = 0.0,
    positions: Sequence[tuple[int, int]] = EVERY,
) -> ExploredPage:
    """What a policy shows of items with ``scores`` (n,), best first, at ``limit`` positions from ``offset`` on.

    ``request_id``: of page one, whose order the further pages have. Items at the ``pinned`` positions stay there, and
    the last ``late`` of the others are not explored: rules have put them where they are. ``new``: (n,) bool, new
    items that get ``new_share`` of the positions. ``positions``: ranges, from 1 and both ends included, of page one's
    positions that may change.

    Where rules or variety have departed from the order of the scores, a place is worth what the item would have
    there by score: the scores are sorted, so that the ranked order stays the likeliest.
    """
    ranked = len(scores)
    page = slice(offset, offset + limit)
    if policy is nothing and not (new is not None and new_share > 0):
        as_it_is = np.arange(ranked)[page]
        return ExploredPage(as_it_is, np.ones(len(as_it_is)), np.zeros((len(as_it_is), 2)))
    free = np.arange(ranked)
    if pinned is not None and len(pinned):
        free = np.delete(free, pinned)
    explored = free[: max(len(free) - late, 0)]
    slate = _slate(np.asarray(scores, np.float64), explored, limit, request_id, positions)
    if new is not None and new_share > 0:
        slate = _with_room(slate, new[explored], new_share)
    found = policy(slate)
    order, propensity, exchange = np.arange(ranked), np.ones(ranked), np.zeros((ranked, 2))
    order[explored], propensity[explored] = explored[found.order], found.propensity
    # what stands between two explored positions would be exchanged too
    apart = np.flatnonzero(np.diff(explored) != 1)
    exchange[explored] = found.exchange
    exchange[explored[apart], 1] = exchange[explored[apart + 1], 0] = 0
    return ExploredPage(order[page], propensity[page], exchange[page])


def _slate(
    scores: Doubles, explored: Places, limit: int, request_id: str, positions: Sequence[tuple[int, int]]
) -> Slate:
    page = explored[: int(np.searchsorted(explored, limit))]
    # no further: the order behind is another for a further page where pages have shares
    near = np.sort(scores[explored[: 2 * len(page)]])[::-1]
    free = np.zeros(len(page), np.bool_)
    for first, last in positions:
        free |= (page + 1 >= first) & (page + 1 <= last)
    return Slate(near, free, len(explored), request_id)


def _with_room(slate: Slate, new: NDArray[np.bool_], share: float) -> Slate:
    """Room for those new items that stand behind page one and belong to the better half by rank of all new ones."""
    places = np.flatnonzero(new)
    places = places[: (len(places) + 1) // 2]
    pool, room, m = places[places >= len(slate.free)], len(slate.givable), len(slate.free)
    if not room or not len(pool):
        return slate
    return replace(slate, pool=pool, given=min(share * m / room, 1.0))


@dataclass(frozen=True, slots=True)
class _AsRanked:
    """The ranked order as it is, each item with propensity 1 but for what new items get."""

    @property
    def name(self) -> str:
        return "none"

    def __call__(self, slate: Slate) -> ExploredPage:
        return _give_room(_as_ranked(slate), slate, np.zeros(len(slate.free)))


@dataclass(frozen=True, slots=True)
class _EpsilonSwap:
    epsilon: float
    floor: float

    @property
    def name(self) -> str:
        return "epsilon-swap"

    def __call__(self, slate: Slate) -> ExploredPage:
        m, found = len(slate.free), _as_ranked(slate)
        open_places = np.flatnonzero(slate.free)
        least = slate.scores[:m] - slate.reach(self.floor)
        fit = np.where(slate.free, (slate.scores[m:] >= least[:, None]).sum(axis=1), 0)
        at = self.epsilon / (max(len(open_places), 1) * np.maximum(fit, 1)) * (fit > 0)
        if not fit.any():
            return _give_room(found, slate, at)
        order, propensity = found.order, found.propensity
        propensity[:m] -= at * fit
        following = np.arange(len(slate.scores) - m)
        propensity[m + following] -= (at[:, None] * (following < fit[:, None])).sum(axis=0)
        np.maximum(propensity, 0, out=propensity)
        chance = np.random.Generator(np.random.PCG64(xxh3_64_intdigest(slate.request_id.encode())))
        if chance.random() < self.epsilon:
            place = int(open_places[chance.integers(len(open_places))])
            if fit[place]:
                other = m + int(chance.integers(fit[place]))
                order[place], order[other] = other, place
                propensity[place] = propensity[other] = at[place]
                # it could have come to any position that it is good enough for
                at = np.where(other - m < fit, at, 0)
        return _give_room(found, slate, at)


def _as_ranked(slate: Slate) -> ExploredPage:
    return ExploredPage(np.arange(slate.ranked), np.ones(slate.ranked), np.zeros((slate.ranked, 2)))


def _give_room(found: ExploredPage, slate: Slate, swapped: Doubles) -> ExploredPage:
    """Give the slate's new items a share of page one's positions; note what could have stood one higher or lower.

    ``swapped`` (m,): the probability of an item from behind page one at each position. Those of the pool take part
    that nothing else moves: E items. Each of the n givable positions is drawn with probability ``given``, for items
    drawn evenly without repeats, so that a position is given away with probability q, and each of the E items stands
    there with q / E, where q n is the mean of min(K, E) over K, the binomial number of positions drawn. Fewer new
    items than positions drawn are all shown.
    """
    m, givable = len(slate.free), slate.givable
    pool = slate.pool[(found.propensity[slate.pool] == 1) & (found.order[slate.pool] == slate.pool)]
    order, propensity, exchange = found.order, found.propensity, found.exchange
    came: list[tuple[int, NDArray[np.floating]]] = [(k, swapped) for k in np.flatnonzero(order[:m] >= m).tolist()]
    if len(givable) and len(pool) and slate.given > 0:
        room = len(givable)
        given = _mean_of_fewer(room, slate.given, len(pool)) / room
        before = propensity.copy()
        propensity[givable] *= 1 - given
        propensity[pool] = 1 - given * room / len(pool)
        chance = np.random.Generator(np.random.PCG64(xxh3_64_intdigest(f"new {slate.request_id}".encode())))
        drawn = chance.permutation(givable[chance.random(room) < slate.given])[: len(pool)]
        chosen = chance.permutation(pool)[: len(drawn)]
        order[drawn], order[chosen] = chosen, order[drawn]
        propensity[drawn], propensity[chosen] = given / len(pool), before[drawn] * given / len(pool)
        evenly = np.isin(np.arange(m), givable) * (given / len(pool))
        left = swapped * np.where(np.isin(np.arange(m), givable), 1 - given, 1.0)
        came = [(k, left) for k, _ in came if k not in drawn] + [(k, evenly) for k in drawn.tolist()]
    for k, odds in came:
        beside = (odds[k - 1] if k else 0.0, odds[k + 1] if k + 1 < m else 0.0)
        exchange[k] = np.minimum(1.0, np.array(beside) / odds[k]) if odds[k] > 0 else 0.0
    return found


def _mean_of_fewer(trials: int, chance: float, most: int) -> float:
    """The mean of min(K, most) of a binomial K.

    >>> round(_mean_of_fewer(9, 0.1, 9), 6), round(_mean_of_fewer(9, 0.1, 1) + 0.9**9, 6)
    (0.9, 1.0)
    """
    odds = [comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(trials + 1)]
    return sum(min(k, most) * p for k, p in enumerate(odds))


#: the ranked order as it is
nothing: Final[Policy] = _AsRanked()


def epsilon_swap(epsilon: float, floor: float = 0.0) -> Policy:
    """With probability ε, one position shows one of the next items instead of its own, both drawn evenly.

    The next items are as many as there are positions, or fewer; with a ``floor``, at each position only those whose
    score is at most so many standard deviations of the slate's scores below that of the item ranked there. With m
    positions and p next items, an item at its own position has propensity 1 - ε / m, a swapped-in one ε / (m p); of
    the next items each stays with 1 - ε / p. Raises ModelError unless 0 <= ε <= 1 and the floor is 0 or more.
    """
    if not 0 <= epsilon <= 1:
        raise ModelError(f"epsilon: {epsilon} is no probability.", "set STREAMRANK_EPSILON from 0 to 1.")
    return _EpsilonSwap(epsilon, checked_floor(floor))


def policy(epsilon: float = 0.0, name: str = "auto", temperature: float = 1.0, floor: float = 0.0) -> Policy:
    """The policy of this name; ``auto`` is epsilon-swap where ε > 0, else none. Raises ModelError for a wrong number.

    >>> policy(0.1).name, policy().name, policy(0.1, "plackett-luce").name
    ('epsilon-swap', 'none', 'plackett-luce')
    """
    swap, luce = epsilon_swap(epsilon, floor), PlackettLuce(temperature, floor)
    if name in ("plackett-luce", "none"):
        return luce if name == "plackett-luce" else nothing
    if name not in ("auto", "epsilon-swap"):
        raise ModelError(f"exploration: there is no policy {name!r}.", f"name one of {', '.join(POLICIES)}.")
    return swap if epsilon != 0 else nothing
