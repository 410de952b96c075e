"""Where a process that serves writes what it has to say, and how."""

from __future__ import annotations

import sys

import structlog

from streams.settings import Settings

__all__ = ["log_to_stderr"]


def log_to_stderr(settings: Settings) -> None:
    """Have what this process logs written to stderr, from the level on that the settings say."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
