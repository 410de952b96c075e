"""Ending a client of Kafka's within a bound: one whose broker is away would wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

import structlog

__all__ = ["ENDS_WITHIN_S", "ended"]

log = structlog.get_logger(__name__)

#: how long a client may take to send what it holds and to disconnect, in seconds
ENDS_WITHIN_S: Final = 1.5


async def ended(what: str, closing: Coroutine[Any, Any, object], seconds: float) -> bool:
    """Wait at most ``seconds`` for a client's end; whether it came to it.

    Whatever it raises stays here, its own cancelled tasks among it: what a client held goes with the process.
    """
    task = asyncio.ensure_future(closing)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        log.warning("not ended in time: left to itself", what=what, seconds=seconds)
        return False
    if task.cancelled():
        return False
    if (error := task.exception()) is not None:
        log.warning("ended with an error", what=what, error=repr(error)[:300])
        return False
    return True
