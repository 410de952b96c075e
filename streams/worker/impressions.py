"""Impressions on their way to Redis: those that it refuses wait, within a bound, and answers go on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError, ResponseError

from state.store import Store
from streams.worker.metrics import Metrics

log = structlog.get_logger(__name__)

#: bytes of impressions that wait at most: those of about 5,000 answers
MOST: Final = 64 << 20

Pair = tuple[bytes, bytes]


class Impressions:
    """Writes what answers leave behind. ``refused``: Redis takes no writes for now; what it refused waits here."""

    def __init__(self, store: Store, keep_s: int, metrics: Metrics, most: int = MOST) -> None:
        self._store = store
        self._keep_s = keep_s
        self._metrics = metrics
        self._most = most
        self._waiting: deque[Pair] = deque()
        self._bytes = 0
        self._writing = asyncio.Lock()
        self.refused = False

    async def write(self, pairs: Sequence[Pair]) -> None:
        """Store pairs (key, payload); where Redis does not take them they wait. Raises nothing of Redis's."""
        if self._waiting or self._writing.locked():
            self._wait(pairs)
            return
        try:
            await self._store.write_expiring(pairs, self._keep_s)
        except RedisError as error:
            self._failed(error)
            self._wait(pairs)

    async def write_waiting(self) -> None:
        """Try again what waits."""
        async with self._writing:
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), 100))]
                self._bytes -= _size(some)
                try:
                    await self._store.write_expiring(some, self._keep_s)
                except BaseException as error:
                    self._waiting.extendleft(reversed(some))
                    self._bytes += _size(some)
                    if not isinstance(error, RedisError):
                        raise
                    self._failed(error)
                    return
                finally:
                    self._metrics.waiting_impressions.set(len(self._waiting))
            if self.refused:
                log.warning("Redis takes writes again: what answers leave behind is stored")
            self.refused = False

    def _failed(self, error: RedisError) -> None:
        if isinstance(error, ResponseError) and not self.refused:
            log.error(
                "Redis refuses writes: answers go on, degraded, and what they leave behind waits", error=str(error)
            )
            self.refused = True

    def _wait(self, pairs: Sequence[Pair]) -> None:
        self._waiting.extend(pairs)
        self._bytes += _size(pairs)
        lost = 0
        while self._bytes > self._most:
            self._bytes -= _size([self._waiting.popleft()])
            lost += 1
        self._metrics.lost_impressions.inc(lost)
        self._metrics.waiting_impressions.set(len(self._waiting))


def _size(pairs: Sequence[Pair]) -> int:
    return sum(len(key) + len(value) for key, value in pairs)
