"""A worker as a process: its event loop, its log, its signals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import faust
import structlog
import uvloop

from streams.app import Worker
from streams.embedded import free_port
from streams.settings import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings, role: str = "all", make: Callable[[Settings, str], Worker] = Worker) -> None:
    """Run a worker in this process until SIGTERM or SIGINT, which drain and commit. Never returns: exits.

    ``make`` builds the worker; measurements give one that runs some stages only.
    """
    uvloop.install()
    _log_to_stderr(settings.log_level)
    if settings.web_port == 0:
        settings = replace(settings, web_port=free_port())
    # other threads of this process (the fetch loop, the web server) give way to an answer within a millisecond
    sys.setswitchinterval(0.001)
    worker = make(settings, role)
    log.info("worker starts", role=role, web=f"http://{settings.web_host}:{settings.web_port}", pid=os.getpid())
    process = faust.Worker(worker.app, loglevel="WARN", redirect_stdouts=False, quiet=True)
    process.spinner = None  # it would write escape codes into a log
    process.execute_from_commandline()


def _log_to_stderr(level: str) -> None:
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
