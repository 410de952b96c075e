"""Ending clients of Kafka's within a bound."""

from __future__ import annotations

import asyncio
from time import monotonic

from streams.kafka.ending import ended


async def test_a_client_that_never_ends_is_left() -> None:
    """After the bound; it is cancelled."""
    begun = monotonic()
    gone = asyncio.Event()

    async def closing() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            gone.set()

    assert not await ended("client", closing(), 0.05)
    assert monotonic() - begun < 5
    await asyncio.wait_for(gone.wait(), 5)


async def test_what_a_client_raises_stays_with_it() -> None:
    """An error, and a cancellation of its own tasks, which aiokafka's consumers raise while Kafka is away."""

    async def fails() -> None:
        raise ConnectionError("away")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def ends() -> None: ...

    assert not await ended("client", fails(), 1)
    assert not await ended("client", cancelled(), 1)
    assert await ended("client", ends(), 1)
