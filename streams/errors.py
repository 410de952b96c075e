"""Errors of the application, below the client's in one tree (``streamrank_client.errors``).

StreamrankError
├── SettingsError, InvalidEvent, Unavailable, LogError, …        the client's
├── NotOwner               another worker has taken the partition: stop writing to it
└── NotStored              what an operator asks for is not in Redis

``models`` has a tree of its own (``models/base/errors.py``), for artifacts and inference.
"""

from __future__ import annotations

from streamrank_client.errors import InvalidEvent, LogError, SettingsError, StreamrankError, Unavailable

__all__ = ["InvalidEvent", "LogError", "NotOwner", "NotStored", "SettingsError", "StreamrankError", "Unavailable"]


class NotOwner(StreamrankError):
    """The partition's watermark moved under this worker: another worker owns it now.

    Operator action: none; the partition is given up and read again by its owner.
    """

    retriable = True


class NotStored(StreamrankError):
    """An answer or a user that Redis does not hold. Operator action: check the id; answers expire."""
