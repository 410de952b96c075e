"""What the fixture ``replay`` and `streamrank replay --session` say to each other, on the session's stdin and stdout.

First the session greets with one line of JSON. Then, for each request on stdin, a reply on stdout: each a frame, which
is the length of its body (8 bytes, big-endian) and the body (MessagePack), so that a log may hold any bytes at all. The
session ends when stdin does.

>>> import io
>>> pipe = io.BytesIO()
>>> write_frame(pipe, ReplayReply(answers=[b"one"]))
>>> _ = pipe.seek(0)
>>> read_frame(pipe, ReplayReply).answers, read_frame(pipe, ReplayReply)
([b'one'], None)
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final, Protocol, TypeVar

import msgspec

__all__ = [
    "Greeting",
    "Readable",
    "ReplayReply",
    "ReplayRequest",
    "Writable",
    "read_frame",
    "wire_version",
    "write_frame",
]

_LENGTH: Final = 8
F = TypeVar("F", "ReplayRequest", "ReplayReply")


class Greeting(msgspec.Struct):
    """Who answers: the version of streamrank, and that of its streamrank-client, whose structs are the wire.

    Every version greets with these two fields, so that another one can say what is wrong.
    """

    streamrank: str
    client: str


class ReplayRequest(msgspec.Struct):
    """A log to replay on an empty state: its ``lines`` as they are; ``variables``: the environment of who asks;
    ``settings``: by name, what holds for this log instead.
    """

    lines: list[bytes]
    variables: dict[str, str] = {}
    settings: dict[str, str] = {}


class ReplayReply(msgspec.Struct):
    """What a worker would have published; or, in ``error``, why nothing was replayed and what to do."""

    answers: list[bytes] = []
    dead_letters: list[bytes] = []
    error: str = ""


class Readable(Protocol):
    """A stream of bytes whose ``read`` waits for as many as are asked for, fewer only at its end."""

    def read(self, size: int, /) -> bytes:
        """So many bytes."""


class Writable(Protocol):
    """A stream that takes bytes."""

    def write(self, data: bytes, /) -> object:
        """Take them all."""

    def flush(self) -> None:
        """Hand on what was taken."""


def write_frame(stream: Writable, frame: ReplayRequest | ReplayReply) -> None:
    """Write a frame, and hand it on at once. Raises OSError where nobody reads."""
    body = msgspec.msgpack.encode(frame)
    stream.write(len(body).to_bytes(_LENGTH, "big"))
    stream.write(body)
    stream.flush()


def read_frame(stream: Readable, kind: type[F]) -> F | None:
    """The next frame; None at the stream's end. Raises EOFError where it ends inside a frame."""
    length = stream.read(_LENGTH)
    if not length:
        return None
    body = stream.read(int.from_bytes(length, "big")) if len(length) == _LENGTH else b""
    if len(length) < _LENGTH or len(body) < int.from_bytes(length, "big"):
        raise EOFError("the stream ends inside a frame")
    return msgspec.msgpack.decode(body, type=kind)


def wire_version() -> str:
    """The version of streamrank-client that is installed here; "" where it runs from a folder, not installed."""
    try:
        return version("streamrank-client")
    except PackageNotFoundError:
        return ""
