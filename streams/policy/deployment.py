"""What handlers know of the deployment that they run in, and no more of its settings."""

from __future__ import annotations

from dataclasses import dataclass

from streamrank_client.topics import Topics
from streamrank_client.vocabulary import HOUR_MS
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Deployment:
    """``join_ms``: behaviour joins an impression at most so much older, or ``skew_ms`` newer, as clocks differ;
    ``user_daily``: how often one user's events of a kind on an item count in a day (0: always); ``retrained``: whether
    impressions keep what rankers are retrained on; ``reroute``: whether a record on another partition than its key's
    goes on to that.
    """

    topics: Topics
    partitions: int
    join_ms: int
    skew_ms: int = 0
    user_daily: int = 0
    retrained: bool = False
    reroute: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Deployment:
        """The deployment that the settings describe."""
        return cls(
            topics=settings.topics,
            partitions=settings.partitions,
            join_ms=int(settings.join_hours * HOUR_MS),
            skew_ms=int(settings.skew_seconds * 1_000),
            user_daily=settings.user_daily,
            retrained=settings.retrain_every > 0,
            reroute=settings.wrong_partition == "reroute",
        )
