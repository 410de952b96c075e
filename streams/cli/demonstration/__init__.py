"""The demo: a real purchase log, published through Kafka and served by the very worker that production uses."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from streamrank_client.client import Client
from streams.cli.demonstration.process import (
    command_name,
    environment,
    peak_memory,
    start_servers,
    until_ready,
    until_stored,
    worker_process,
)
from streams.cli.demonstration.scenes import click_and_ask, latencies, scenes
from streams.cli.demonstration.shop import Shop, import_log
from streams.cli.progress import stages, steps
from streams.gateway.app import Gateway
from streams.gateway.playing import Playground
from streams.gateway.serving import open_client
from streams.kafka.admin import create_topics
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.importers.table.pasted import read_pasted
from streams.offline.publishing.publish_log import publish_log
from streams.offline.servers import free_port
from streams.settings import Settings


async def demo(out: Console, keep: bool) -> None:
    """Run the whole demo, printing to ``out``. Raises StreamrankError with what went wrong."""
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamrank-demo-")))
        settings = start_servers(stack)
        await create_topics(settings)
        ensure_encoders(settings, partial(steps, quiet=False))
        worker = stack.enter_context(worker_process(settings, folder / "worker.log"))
        log, shop = import_log(folder)  # while the worker opens its artifacts
        await until_ready(settings, worker, folder / "worker.log")
        with stages(quiet=False) as progress:
            summary = await publish_log(log, settings, end_now=True, progress=progress)
        seconds = summary.seconds["events"]
        out.print(
            f"{summary.items:,} items and {summary.behaviors:,} purchases published, "
            f"{summary.behaviors / seconds:,.0f} purchases/s\n"
        )
        async with Client(settings=settings) as client:
            await until_stored(settings, summary.behaviors)
            await scenes(client, shop, out)
            await click_and_ask(client, shop, out)
            out.print(await latencies(client, shop, out))
        out.print(
            f"\nthe demo took {time.monotonic() - began:.0f} s, peak memory of the worker {peak_memory(worker):.0f} MiB"
        )
        if keep:
            await stay(settings, shop, out)


async def stay(settings: Settings, shop: Shop, out: Console) -> None:
    """Open the playground, print the addresses and what to try, and wait for Ctrl-C or SIGTERM."""
    settings = replace(
        settings,
        gateway_port=free_port(),
        gateway_tokens="",
        gateway_workers=f"http://{settings.web_host}:{settings.web_port}",
        gateway_timeout_ms=10_000,
    )
    async with open_client(settings) as client:
        gateway = Gateway(settings, client, None, Playground(read_pasted, shop.shoppers()))
        await gateway.start()
        try:
            await _told_and_ended(settings, shop, out)
        finally:
            await gateway.stop()


async def _told_and_ended(settings: Settings, shop: Shop, out: Console) -> None:
    out.rule("Still up: the playground", align="left")
    out.print(f"http://{settings.gateway_host}:{settings.gateway_port}/playground/", highlight=False)
    out.rule("and from another terminal", align="left")
    for name, value in environment(settings).items():
        out.print(f"export {name}={value}", highlight=False)
    user, streamrank = shop.household(), command_name()
    for line in (
        f"{streamrank} ask --user {user} --text 咖啡 --explain",
        f"{streamrank} event click --user {user} --item {shop.item('coffee')}",
        f"{streamrank} consume --topic recommendations",
        f"{streamrank} doctor",
        f"curl http://{settings.web_host}:{settings.web_port}/metrics",
    ):
        out.print(line, highlight=False)
    out.print("Ctrl-C ends it.")
    done = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
