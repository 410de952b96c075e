"""How a worker that ends gives way to one that starts: it serves on until that one is about to join their group, and
leaves with the rebalance that begins then.

A worker that starts leaves word of itself in Redis, for some seconds at a time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Final

import structlog
from redis.exceptions import RedisError

from state import keys
from state.layouts import StoredValueError
from state.store import Store
from streams.kafka.transport import BatchApp

log = structlog.get_logger(__name__)

#: what a worker says of itself while it starts, before it joins, and after
READS: Final = b"reads"
JOINS: Final = b"joins"
JOINED: Final = b"joined"
#: how often it says so, and for how long it stands, in seconds
EVERY_S: Final = 1.0
STANDS_S: Final = 4
#: how long one that ends waits for its successor at most, and how often it looks
MOST_S: Final = 20.0
LOOKS_S: Final = 0.05


class Handover:
    """Both sides of it, for one worker: ``announce`` as it starts, ``give_way`` as it ends."""

    def __init__(self, app: BatchApp, store: Store) -> None:
        self._app = app
        self._store = store
        self._key = keys.starting(app.conf.id)
        self._state = READS
        self._task: asyncio.Task[None] | None = None

    def announce(self) -> None:
        """Begin to leave word that this worker starts; until it has joined."""
        self._task = asyncio.create_task(self._announce(), name="announce")

    async def joins(self) -> None:
        """It has all that it needs, and joins next."""
        self._state = JOINS
        await self._say()

    def stop(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def give_way(self) -> None:
        """Return at once where no successor was announced, else once this worker has left the group for it; after
        ``MOST_S`` at the latest.
        """
        if not self._app.joined or self._app.should_stop:
            return
        begun = monotonic()
        while not self._app.left and monotonic() - begun < MOST_S:
            state = await self._successor()
            if state not in (READS, JOINS):
                break
            if not self._app.leaves_next:
                self._app.leaves_next = state == JOINS
            await asyncio.sleep(LOOKS_S)
        if self._app.left:
            log.info("left for its successor", seconds=round(monotonic() - begun, 1))

    async def _announce(self) -> None:
        while not self._app.joined:
            await self._say()
            await asyncio.sleep(EVERY_S if self._state == READS else LOOKS_S)
        self._state = JOINED
        await self._say()

    async def _say(self) -> None:
        with suppress(RedisError, OSError):  # then nobody waits for this one
            await self._store.write_expiring([(self._key, self._state)], STANDS_S)

    async def _successor(self) -> bytes | None:
        """What a successor says of itself; None where there is none, or Redis does not tell."""
        with suppress(RedisError, OSError, TimeoutError, StoredValueError):
            async with asyncio.timeout(1.0):
                return (await self._store.read([self._key]))[0]
        return None
