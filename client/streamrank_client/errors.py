"""Errors of the client, the upper part of one tree; the application's hang below it (``streams/errors.py``).

StreamrankError
├── SettingsError          a setting is missing or wrong: fix it and start again
├── InvalidEvent           an event cannot be used: it goes to dead-letters, the stream goes on
├── Unavailable            Kafka or Redis does not answer: retried
├── LogError               an event log or a golden file cannot be read
├── ReplayError            the replay of a test could not be run
├── QueryRejected          a query was answered with an error
└── AnswerTimeout          no answer came in time
"""

from __future__ import annotations

from typing import Final

#: every ``code`` of InvalidEvent: why a record cannot be used
CODES: Final = (
    "malformed", "unknown_event", "missing", "invalid", "wrong_key", "wrong_partition", "future", "too_large",
    "tombstone", "unknown_item", "unknown_topic", "internal",
)  # fmt: skip


class StreamrankError(Exception):
    """Base of all errors; ``retriable`` tells whether the same call may succeed later."""

    retriable = False


class SettingsError(StreamrankError):
    """A setting is missing or wrong. Operator action: correct the named variable and start again."""


class InvalidEvent(StreamrankError):
    """An event that cannot be used. Operator action: mend its producer; the record is in dead-letters.

    ``field`` is the JSON path without ``$.`` ("" for the whole record), ``code`` a stable word for
    programs, ``message`` a sentence for people.
    """

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.code = code
        self.field = field
        self.message = message


class Unavailable(StreamrankError):
    """Kafka or Redis does not answer. Operator action: check the address, credentials and the server."""

    retriable = True


class LogError(StreamrankError):
    """An event log or golden file cannot be read. Operator action: check the path and its format."""


class ReplayError(StreamrankError):
    """A replay could not be run. Operator action: install streamrank, or name its command in STREAMRANK_COMMAND."""


class AnswerTimeout(StreamrankError):
    """No answer arrived in time. Operator action: see that a worker is ready (`streamrank doctor`)."""

    retriable = True


class QueryRejected(StreamrankError):
    """The worker answered a query with an error. Operator action: correct the named field of the query.

    ``code``, ``field`` and ``message`` are the answer's ``error``; ``request_id`` is the query's.
    """

    def __init__(self, code: str, field: str, message: str, request_id: str = "") -> None:
        super().__init__(
            f"query rejected ({code}): {field}: {message}" if field else f"query rejected ({code}): {message}"
        )
        self.code = code
        self.field = field
        self.message = message
        self.request_id = request_id
