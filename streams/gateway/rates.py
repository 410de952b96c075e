"""How much a token may do in a second: a bucket for each, which fills with time and may be overdrawn once.

>>> rates = Rates()
>>> rates.take("shop", rate=10, cost=25, now=0.0), rates.take("shop", rate=10, cost=1, now=0.5)
(0.0, 1.1)
>>> rates.take("shop", rate=10, cost=1, now=1.75)
0.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamrank_client.bounded import Bounded

__all__ = ["Rates"]

#: callers that are remembered; one that is forgotten begins anew
_CALLERS: Final = 100_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Rates:
    """Buckets by name; each holds what may be done in a second."""

    def __init__(self) -> None:
        self._buckets: Bounded[str, _Bucket] = Bounded(_CALLERS)

    def take(self, name: str, rate: float, cost: float, now: float) -> float:
        """Take ``cost`` from a bucket, and 0; where less than one is left, nothing, and the seconds until there is.

        A bucket with one or more in it gives all that is asked for, and owes what it did not have: a batch may be
        larger than what is allowed in a second, and the next one comes the later.
        """
        most = max(rate, 1.0)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = _Bucket(most, now)
            self._buckets.put(name, bucket)
        bucket.level = min(most, bucket.level + rate * (now - bucket.at))
        bucket.at = now
        if bucket.level < 1:
            return (1 - bucket.level) / rate
        bucket.level -= cost
        return 0.0
