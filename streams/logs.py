"""Where a process that serves writes what it has to say, and how."""

from __future__ import annotations

import sys

import structlog

__all__ = ["log_to_stderr"]


def log_to_stderr(level: str) -> None:
    """Write what is logged, from a level on, to stderr."""
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
