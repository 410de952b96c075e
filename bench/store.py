"""What the store itself costs: processor time of this process a round trip. `python -m bench.store URL`.

The database should be empty at first. To compare two checkouts, run it in them in alternation.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Final

from state import keys
from state.marks import source_mark
from state.store import Store

ROUNDS: Final = 15
MARK: Final = keys.watermark(0, "bench")


async def measure(url: str) -> dict[str, float]:
    """Microseconds by what is done: the least of the rounds' means."""
    store = Store(url)
    names = [keys.impression(0, f"r{n}") for n in range(200)]
    await store.write_expiring([(name, bytes(500)) for name in names], 600)

    async def batch() -> None:
        async with store.transaction(MARK) as transaction:
            await transaction.read(names[:20])
            await transaction.write(source_mark(None, 1).moved(1).stored(), [names[0], bytes(500)])

    found = {
        "read 1": await _micros(lambda: store.read(names[:1]), 400),
        "read 200": await _micros(lambda: store.read(names), 40),
        "write 1": await _micros(lambda: store.write_expiring([(names[0], bytes(500))], 600), 400),
        "batch of 20": await _micros(batch, 150),
    }
    await store.close()
    return found


async def _micros(work: Callable[[], Awaitable[object]], times: int) -> float:
    spent = []
    for _ in range(ROUNDS):
        start = process_time()
        for _ in range(times):
            await work()
        spent.append((process_time() - start) / times * 1e6)
    return min(spent)


if __name__ == "__main__":
    for name, micros in asyncio.run(measure(sys.argv[1])).items():
        print(f"{name}: {micros:.1f} µs")
