"""Errors of the application, below the client's in one tree (``streamrank_client.errors``).

StreamrankError
├── SettingsError, InvalidEvent, Unavailable, LogError, …        the client's
├── NotOwner               the watermark is not where this worker left it: read again from there
├── Released               a partition goes before its queries were answered
├── Undecided              a batch fails, and neither its records nor stored values are at fault
└── NotStored              what an operator asks for is not in Redis

``models`` has a tree of its own (``models/base/errors.py``), for artifacts and inference.
"""

from __future__ import annotations

from streamrank_client.errors import InvalidEvent, LogError, SettingsError, StreamrankError, Unavailable

__all__ = [
    "InvalidEvent",
    "LogError",
    "NotOwner",
    "NotStored",
    "Released",
    "SettingsError",
    "StreamrankError",
    "Unavailable",
    "Undecided",
]


class NotOwner(StreamrankError):
    """A partition's watermark is not where this worker left it: another worker's, or one of a restored Redis.

    Operator action: none; the partition is read again from its watermark, by whoever owns it.
    """

    retriable = True


class Released(StreamrankError):
    """A partition goes to another worker before its waiting queries were answered.

    Operator action: none; that worker answers them.
    """


class Undecided(StreamrankError):
    """A batch fails, and neither its records nor stored values are at fault: its partition stops.

    Operator action: report the message, or serve with another version.
    """


class NotStored(StreamrankError):
    """An answer or a user that Redis does not hold. Operator action: check the id; answers expire."""
