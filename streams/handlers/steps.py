"""Handlers that read: generators that yield the keys they need and are sent the values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import TypeVar

T = TypeVar("T")
#: what Redis holds of the keys asked for, None where there is nothing
Values = list[bytes | None]
ReadingSteps = Generator[list[bytes], Values, T]


def run_on(steps: ReadingSteps[T], stored: Mapping[bytes, bytes]) -> T:
    """Run a handler that reads, on what a mapping holds."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send([stored.get(key) for key in wanted])
    except StopIteration as done:
        result: T = done.value
        return result


async def run_steps(steps: ReadingSteps[T], read: Callable[[list[bytes]], Awaitable[list[bytes | None]]]) -> T:
    """Run a handler that reads, in as many rounds as it asks for."""
    try:
        wanted = next(steps)
        while True:
            wanted = steps.send(await read(wanted))
    except StopIteration as done:
        result: T = done.value
        return result
