"""Queries at a steady pace while a deployment is changed, and how long each waited for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from streamrank_client.client import Client
from streamrank_client.errors import AnswerTimeout
from streams.settings import Settings

__all__ = ["Asking", "steady_asking"]


@dataclass
class Asking:
    """What became of the queries: when each was sent and how long it waited, in seconds; how many have no answer."""

    waits: list[tuple[float, float]] = field(default_factory=list)
    unanswered: int = 0

    @property
    def longest(self) -> float:
        """The longest wait."""
        return max(wait for _, wait in self.waits)

    def between(self, begin: float, end: float) -> float:
        """The longest wait of those that were sent from ``begin`` to ``end``, in seconds since the start."""
        return max((wait for sent, wait in self.waits if begin <= sent < end), default=0.0)


@asynccontextmanager
async def steady_asking(settings: Settings, a_second: float, patience: float = 60.0) -> AsyncIterator[Asking]:
    """Ask so many queries a second, of users of all partitions, until the block ends; then wait for all answers."""
    asking, begin, over = Asking(), monotonic(), asyncio.Event()
    async with Client(settings=settings) as client:

        async def ask(number: int) -> None:
            sent = monotonic()
            try:
                await client.ask(f"u{number % 97}", timeout=patience)
            except AnswerTimeout:
                asking.unanswered += 1
            else:
                asking.waits.append((sent - begin, monotonic() - sent))

        async def keep_asking() -> None:
            async with asyncio.TaskGroup() as group:
                number = 0
                while not over.is_set():
                    group.create_task(ask(number))
                    number += 1
                    await asyncio.sleep(max(0.0, begin + number / a_second - monotonic()))

        task = asyncio.create_task(keep_asking())
        try:
            yield asking
        finally:
            over.set()
            await task
