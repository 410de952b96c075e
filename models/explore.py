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


#: From the number of ranked items, the number of positions (no more than items) and a seed to what is shown.
Policy = Callable[[int, int, int], Shown]


def shown(ranked: int, limit: int, request_id: str, policy: Policy) -> Shown:
    """What a policy shows of ``ranked`` items, best first, at ``limit`` positions or fewer."""
    return policy(ranked, min(limit, ranked), xxh3_64_intdigest(request_id.encode()))


def nothing(ranked: int, positions: int, seed: int) -> Shown:
    """The ranked order as it is, each item with propensity 1."""
    return Shown(np.arange(positions), np.ones(positions))


def epsilon_swap(epsilon: float) -> Policy:
    """With probability ε, one position shows one of the next items instead of its own, both drawn evenly.

    The next items are as many as there are positions, or fewer. With m positions and p next items, an item at
    its own position has propensity 1 - ε / m, a swapped-in one ε / (m p). Raises ModelError unless
    0 <= ε <= 1.
    """
    if not 0 <= epsilon <= 1:
        raise ModelError(f"epsilon: {epsilon} is no probability.", "set STREAMRANK_EPSILON from 0 to 1.")

    def swap(ranked: int, positions: int, seed: int) -> Shown:
        following = min(ranked - positions, positions)
        if not following:
            return nothing(ranked, positions, seed)
        order, propensity = np.arange(positions), np.full(positions, 1 - epsilon / positions)
        chance = np.random.Generator(np.random.PCG64(seed))
        if chance.random() < epsilon:
            place = int(chance.integers(positions))
            order[place] = positions + int(chance.integers(following))
            propensity[place] = epsilon / (positions * following)
        return Shown(order, propensity)

    return swap


def policy(epsilon: float) -> Policy:
    """The policy for a share ε of explored answers; raises ModelError unless 0 <= ε <= 1."""
    return epsilon_swap(epsilon) if epsilon != 0 else nothing
