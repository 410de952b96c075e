"""What an app starts, and in which order: its web pages, what it has to have ready, and only then its place in the
group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import Any, cast

from faust.app.base import BootStrategy
from mode import Service
from mode.types import ServiceT

__all__ = ["BatchBoot", "Preparation"]


class Preparation(Service):
    """Done once its coroutine is; an app that is stopped meanwhile does not wait for it."""

    def __init__(self, prepare: Callable[[], Awaitable[None]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._prepare = prepare
        self._task: asyncio.Future[None] | None = None

    async def on_start(self) -> None:
        """Prepare; raises what that raises."""
        self._task = asyncio.ensure_future(self._prepare())
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    async def on_stop(self) -> None:
        """Give up what is not ready yet."""
        if self._task is not None:
            self._task.cancel()


class BatchBoot(BootStrategy):
    """A member joins its group last: a rebalance takes as long as its slowest member. Agents have producers of their
    own, so Faust's does not start.
    """

    enable_kafka_producer = False

    def server(self) -> Iterable[ServiceT]:
        """The services of an app, in the order in which they start."""
        app = cast(Any, self.app)
        return chain(
            self.sensors(),
            self.web_server(),
            [Preparation(app.prepare, loop=app.loop, beacon=app.beacon)],
            self.kafka_consumer(),
            self.agents(),
            self.kafka_conductor(),
            self.tables(),
        )
