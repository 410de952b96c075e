"""What a process that serves logs: a line for each event, as text or as JSON; its own, Faust's and aiokafka's alike.

Secrets are hidden before a line is written: inside JSON they would be escaped, and nobody would recognise them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from streamrank_client.hiding import hidden
from streams.settings import Settings

__all__ = ["log_to_stderr"]

#: our packages, of which ``log_level`` is; Faust's services, which log under the names of our modules, and others log
#: from warnings on
OURS: Final = ("streams", "models", "state", "streamrank_client")
#: what stands first in a line of JSON
FIRST: Final = ("timestamp", "level", "event", "logger")
Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"


def log_to_stderr(settings: Settings) -> None:
    """Have everything that this process logs written to stderr in the form that the settings say."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    common: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper("iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _Hiding(settings.secrets()),
                _json_line if as_json else _text_line(),
            ],
            foreign_pre_chain=common,
        )
    )
    handler.addFilter(lambda record: isinstance(record.msg, dict) or record.levelno >= logging.WARNING)
    level = settings.log_level.upper()
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelName(level)), force=True)
    logging.captureWarnings(True)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    # its errors come as exceptions too, and are told once a minute instead of at each attempt
    logging.getLogger("aiokafka").setLevel(logging.WARNING if level == "DEBUG" else logging.CRITICAL)
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


class _Hiding:
    """Makes of an event what can be written, without secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {name: self._plain(value) for name, value in event.items()}

    def _plain(self, value: object) -> Plain:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {str(self._plain(str(name))): self._plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._plain(inner) for inner in value]
        return hidden(value.decode(errors="replace") if isinstance(value, bytes) else str(value), self._secrets)


def _json_line(logger: WrappedLogger, method: str, event: EventDict) -> str:
    found = {name: event[name] for name in _order(event)}
    return msgspec.json.encode(found).decode()


def _order(event: Iterable[str]) -> list[str]:
    return [*(name for name in FIRST if name in event), *(name for name in event if name not in FIRST)]


def _text_line() -> Processor:
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
