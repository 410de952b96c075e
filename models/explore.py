"""Exploration: show, now and then, an item that the ranker would not have shown, and log how likely that was.

Logged propensities make answers comparable offline: a click divided by its propensity is an unbiased estimate
under any other policy (Horvitz and Thompson, 1952; Bottou et al., "Counterfactual Reasoning and Learning
Systems", 2013). All chance is drawn from the request id, so a replay explores as the first run did.

>>> shown(5, 2, "r1", nothing).order.tolist()
[0, 1]
>>> one = shown(5, 2, "r0", epsilon_swap(0.5))
>>> one.order.tolist(), one.propensity.tolist()
([0, 2], [0.75, 0.125])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from models.errors import ModelError


@dataclass(frozen=True, slots=True)
class Shown:
    """``order``: (m,) places in the ranked list, in the order shown; ``propensity``: (m,) f8, the probability
    with which this item stands at this position, given the ranked list.
    """

    order: NDArray[np.intp]
    propensity: NDArray[np.float64]


#: From the number of ranked items, the number of positions of page one (no more than items) and a seed to an order of
#: all items; the pages are cut from it, so an item that was swapped into page one is not on page two.
Policy = Callable[[int, int, int], Shown]


def shown(
    ranked: int,
    limit: int,
    request_id: str,
    policy: Policy,
    offset: int = 0,
    pinned: NDArray[np.intp] | None = None,
    late: int = 0,
    new: NDArray[np.bool_] | None = None,
    new_share: float = 0.0,
) -> Shown:
    """What a policy shows of ``ranked`` items, best first, at ``limit`` positions from ``offset`` on, or fewer.

    ``request_id``: of page one, whose order the further pages have. Items at the ``pinned`` positions stay there, and
    the last ``late`` of the others are not explored: rules have put them where they are. ``new``: (ranked,) bool, new
    items that get ``new_share`` of the positions (``give_room``).
    """
    free = np.arange(ranked)
    if pinned is not None and len(pinned):
        free = np.delete(free, pinned)
    order, propensity = np.arange(ranked), np.ones(ranked)
    explored = free[: max(len(free) - late, 0)]
    positions = int(np.searchsorted(explored, limit))
    found = policy(len(explored), positions, xxh3_64_intdigest(request_id.encode()))
    if new is not None and new_share > 0:
        found = give_room(found, new[explored], positions, new_share, request_id)
    order[explored], propensity[explored] = explored[found.order], found.propensity
    page = slice(offset, offset + limit)
    return Shown(order[page], propensity[page])


def give_room(found: Shown, new: NDArray[np.bool_], positions: int, share: float, request_id: str) -> Shown:
    """Give new items from further down a share of page one's positions, but never the first.

    ``new``: (ranked,) bool in ranked order. Those take part that stand behind page one, that nothing else moves
    (propensity 1), and that belong to the better half by rank of all new ones: E items. Each of the positions 1 to
    m - 1 is given away with probability share m / (m - 1), to items drawn evenly without repeats, so a position is
    given away with probability q, and each of the E items stands there with q / E, where q (m - 1) is the mean of
    min(K, E) over K, the binomial number of positions drawn. Fewer new items than positions drawn are all shown.
    """
    room = positions - 1
    places = np.flatnonzero(new)
    places = places[: (len(places) + 1) // 2]
    still = (found.propensity[places] == 1) & (found.order[places] == places)
    pool = places[(places >= positions) & still]
    if room < 1 or not len(pool):
        return found
    each = min(share * positions / room, 1.0)
    given = _mean_of_fewer(room, each, len(pool)) / room
    order, propensity = found.order.copy(), found.propensity.copy()
    propensity[1:positions] *= 1 - given
    propensity[pool] = 1 - given * room / len(pool)
    chance = np.random.Generator(np.random.PCG64(xxh3_64_intdigest(f"new {request_id}".encode())))
    drawn = chance.permutation(1 + np.flatnonzero(chance.random(room) < each))[: len(pool)]
    chosen = chance.permutation(pool)[: len(drawn)]
    own = found.propensity[drawn]
    order[drawn], order[chosen] = chosen, found.order[drawn]
    propensity[drawn], propensity[chosen] = given / len(pool), own * given / len(pool)
    return Shown(order, propensity)


def _mean_of_fewer(trials: int, chance: float, most: int) -> float:
    """The mean of min(K, most) of a binomial K.

    >>> round(_mean_of_fewer(9, 0.1, 9), 6), round(_mean_of_fewer(9, 0.1, 1) + 0.9**9, 6)
    (0.9, 1.0)
    """
    odds = [comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(trials + 1)]
    return sum(min(k, most) * p for k, p in enumerate(odds))


def nothing(ranked: int, positions: int, seed: int) -> Shown:
    """The ranked order as it is, each item with propensity 1."""
    return Shown(np.arange(ranked), np.ones(ranked))


def epsilon_swap(epsilon: float) -> Policy:
    """With probability ε, one position shows one of the next items instead of its own, both drawn evenly.

    The next items are as many as there are positions, or fewer. With m positions and p next items, an item at
    its own position has propensity 1 - ε / m, a swapped-in one ε / (m p); of the next items each stays with 1 - ε / p.
    Raises ModelError unless 0 <= ε <= 1.
    """
    if not 0 <= epsilon <= 1:
        raise ModelError(f"epsilon: {epsilon} is no probability.", "set STREAMRANK_EPSILON from 0 to 1.")

    def swap(ranked: int, positions: int, seed: int) -> Shown:
        following = min(ranked - positions, positions)
        if not following:
            return nothing(ranked, positions, seed)
        order, propensity = np.arange(ranked), np.ones(ranked)
        propensity[:positions] = 1 - epsilon / positions
        propensity[positions : positions + following] = 1 - epsilon / following
        chance = np.random.Generator(np.random.PCG64(seed))
        if chance.random() < epsilon:
            place = int(chance.integers(positions))
            other = positions + int(chance.integers(following))
            order[place], order[other] = other, place
            propensity[place] = propensity[other] = epsilon / (positions * following)
        return Shown(order, propensity)

    return swap


def policy(epsilon: float) -> Policy:
    """The policy for a share ε of explored answers; raises ModelError unless 0 <= ε <= 1."""
    return epsilon_swap(epsilon) if epsilon != 0 else nothing
