"""The gateway as a process: its event loop, its log, its signals."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
import uvloop
from prometheus_client import disable_created_metrics

from streamrank_client.client import Client
from streams.gateway.app import Gateway
from streams.gateway.playing import Playground
from streams.gateway.tokens import tokens_of
from streams.kafka.closed_connections import expect_closed_connections
from streams.kafka.ending import ended
from streams.logs import log_to_stderr
from streams.lookup.settings_checks import misspelt
from streams.settings import Settings

__all__ = ["open_client", "serve"]

log = structlog.get_logger(__name__)
#: seconds in which Kafka may take what is under way when the gateway stops; nobody has been told that it has it
_END_WITHIN: Final = 5.0


def serve(settings: Settings, playground: Playground | None = None) -> None:
    """Serve until SIGTERM or SIGINT, which let what is being answered end; with a playground where one is given.

    Raises SettingsError for settings, topics or tokens that will not do, Unavailable when Kafka does not answer.
    """
    log_to_stderr(settings)
    for name, nearest in misspelt().items():
        log.warning("a variable is no setting, and has no effect", variable=name, nearest=nearest or None)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series
    expect_closed_connections()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, playground))


async def _serve(settings: Settings, playground: Playground | None) -> None:
    tokens = tokens_of(settings)
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with open_client(settings) as client:
        gateway = Gateway(settings, client, tokens, playground)
        await gateway.start()
        log.info(
            "gateway ready",
            address=f"http://{settings.gateway_host}:{settings.gateway_port}",
            playground=f"http://{settings.gateway_host}:{settings.gateway_port}/playground/" if playground else None,
            tokens="none: this machine alone" if tokens is None else settings.gateway_tokens,
        )
        await told.wait()
        log.info("gateway stops")
        await gateway.stop()
    log.info("gateway stopped")


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[Client]:
    """An open client, which ends in time, also where Kafka is away. Raises as entering a client does."""
    client = await Client(settings=settings).__aenter__()
    try:
        yield client
    finally:
        await ended("the client of Kafka", client.__aexit__(None, None, None), _END_WITHIN)
