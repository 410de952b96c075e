"""A worker as a process: its event loop, its log, its signals."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

import faust
import structlog
import uvloop
from prometheus_client import disable_created_metrics

from models.base.threads import one_thread
from streamrank_client.errors import StreamrankError
from streams.kafka.closed_connections import expect_closed_connections
from streams.logs import log_to_stderr
from streams.lookup.private_parts import untested
from streams.lookup.settings_checks import misspelt
from streams.settings import Settings
from streams.worker.app import Worker
from streams.worker.doors import knock
from streams.worker.warming import compile_loops

log = structlog.get_logger(__name__)

#: glibc's parameters of malloc: what is kept at the heap's end, what it grows by, what gets pages of its own
_TRIM_THRESHOLD: Final = (-1, 256 << 20)
_TOP_PAD: Final = (-2, 16 << 20)
_MMAP_THRESHOLD: Final = (-3, 32 << 20)


def serve(settings: Settings, role: str = "all", make: Callable[[Settings, str], Worker] | None = None) -> None:
    """Run a worker in this process until SIGTERM or SIGINT, which drain and commit. Never returns: exits, or
    raises why it cannot serve.

    ``make`` builds the worker; measurements give one that runs some stages only.
    """
    uvloop.install()
    expect_closed_connections()
    log_to_stderr(settings)
    for line in untested():
        log.warning(line)
    for name, nearest in misspelt().items():
        log.warning("a variable is no setting, and has no effect", variable=name, nearest=nearest or None)
    # other threads of this process (the fetch loop, the web server) give way to an answer within a millisecond
    sys.setswitchinterval(0.001)
    keep_freed_memory()
    one_thread()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series
    asyncio.run(knock(settings))
    refused: list[StreamrankError] = []

    def on_refused(error: StreamrankError) -> None:
        refused.append(error)
        signal.raise_signal(signal.SIGTERM)  # as an operator would end it

    if make:
        worker = make(settings, role)
    else:
        worker = Worker(settings, role, on_ready=freeze_objects, on_refused=on_refused)
    compile_loops(worker.names)
    log.info("worker starts", role=role, web=f"http://{settings.web_host}:{settings.web_port}", pid=os.getpid())
    process = faust.Worker(worker.app, override_logging=False, redirect_stdouts=False, quiet=True)
    process.spinner = None  # it would write escape codes into a log
    try:
        process.execute_from_commandline()
    finally:
        if refused:
            raise refused[0]


def keep_freed_memory() -> None:
    """Have glibc keep what a batch frees for the next one, up to 256 MiB.

    As it comes, each array above 128 KiB gets new pages from the kernel, which are cleared one by one: a quarter of the
    time that a batch of signals takes. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in (_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD):
            mallopt(parameter, value)


def freeze_objects() -> None:
    """Have the collector pass over what is loaded by now, which takes it up to 50 ms each time."""
    gc.collect()
    gc.freeze()
