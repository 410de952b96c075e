"""A worker process on uvloop for tests that signal or kill it: prints each batch that it has done."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from streams.kafka.transport import RecordBatch
from tests.support.servers import Broker
from tests.support.transport_apps import make_app, running


async def main(broker: Broker, topic: str) -> None:
    """Work slowly until SIGTERM."""
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def work(batch: RecordBatch) -> None:
        await asyncio.sleep(0.02)
        print(batch.tp.partition, batch.first_offset, batch.last_offset + 1, flush=True)

    app = make_app(broker, topic, work, max_batch=50)
    async with running(app):
        await ended.wait()


if __name__ == "__main__":
    kafka, prefix, topic, fetch_max_wait_ms, kind = sys.argv[1:]
    broker = Broker(kafka, prefix, int(fetch_max_wait_ms), tansu=kind == "tansu")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(broker, topic))
