"""Sticky assignment: which arm of an experiment a user is in, by a salted hash; nothing is stored.

A user's place in an experiment depends on the salt, the experiment's name and the user's id alone: it is the same on
every worker and after every restart, and places in two experiments, or under two salts, are independent
(Kohavi, Tang and Xu, "Trustworthy Online Controlled Experiments", 2020, chapter 14).

>>> round(place("s1", "diverse-home", "u1"), 3), round(place("s2", "diverse-home", "u1"), 3)
(0.804, 0.993)
>>> arm_at(0.49, [0.5, 0.5]), arm_at(0.5, [0.5, 0.5])
(0, 1)
"""

from __future__ import annotations

from collections.abc import Sequence

from xxhash import xxh3_64_intdigest


def place(salt: str, name: str, unit: str) -> float:
    """Where a unit (a user id) lies in an experiment: evenly spread over [0, 1), in steps of 2⁻⁵³.

    The lengths keep apart what would run together: salt "a", name "bc" is not salt "ab", name "c".
    """
    hashed = xxh3_64_intdigest(f"{len(salt)}:{salt}{len(name)}:{name}{unit}".encode())
    return float((hashed >> 11) * 2.0**-53)


def arm_at(where: float, shares: Sequence[float]) -> int:
    """The arm whose part of [0, 1) holds a place; the arms lie there in order, each as long as its share."""
    end = 0.0
    for number, share in enumerate(shares):
        end += share
        if where < end:
            return number
    # shares that add up to 1 up to rounding may leave a sliver
    return max(number for number, share in enumerate(shares) if share > 0)
