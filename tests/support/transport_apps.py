"""Small Faust apps for tests of the transport: agents that note what they get."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from streams.kafka.transport import BatchApp, BatchOptions, MaxBatch, RecordBatch, batch_topic
from tests.support.servers import Broker

__all__ = ["Seen", "make_app", "running", "until"]


class Seen:
    """What agents have finished: how often each (partition, offset), and the batches in order."""

    def __init__(self) -> None:
        self.offsets: Counter[tuple[int, int]] = Counter()
        self.batches: list[tuple[int, int, int, int]] = []  # partition, first offset, next offset, attempt

    def note(self, batch: RecordBatch) -> None:
        """Count a batch as worked on."""
        self.offsets.update((batch.tp.partition, record[2]) for record in batch)
        self.batches.append((batch.tp.partition, batch.first_offset, batch.next_offset, batch.attempt))

    def exactly_once(self, counts: dict[int, int]) -> bool:
        """Whether offsets 0 to count-1 of every partition were seen, each once."""
        wanted = {(partition, offset) for partition, count in counts.items() for offset in range(count)}
        return set(self.offsets) == wanted and max(self.offsets.values(), default=1) == 1

    def missing(self, counts: dict[int, int]) -> int:
        """How many offsets were not seen."""
        wanted = {(partition, offset) for partition, count in counts.items() for offset in range(count)}
        return len(wanted - set(self.offsets))


def make_app(
    broker: Broker,
    topic: str,
    work: Callable[[RecordBatch], Awaitable[None]],
    *,
    group: str = "group",
    max_batch: MaxBatch = 200,
    **options: Any,
) -> BatchApp:
    """An app with one agent that awaits ``work`` for every batch."""
    settings: dict[str, Any] = {
        "fetch_max_wait_ms": broker.fetch_max_wait_ms,
        "session_timeout": 2.0 if broker.tansu else 4.0,
        "heartbeat_interval": 0.3,
        "commit_interval": 0.2,
        "drain_timeout": 3.0,
        **options,
    }
    app = BatchApp(broker.name(group), bootstrap=broker.kafka, options=BatchOptions(**settings), web_enabled=False)

    @app.agent(batch_topic(app, topic, max_batch=max_batch))
    async def worker(batches: Any) -> None:
        async for batch in batches:
            await work(batch)

    return app


@asynccontextmanager
async def running(app: BatchApp) -> AsyncIterator[BatchApp]:
    """Run an app; stop it at the end."""
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


async def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until ``true()`` holds."""
    deadline = monotonic() + seconds
    while not true():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
