"""Replaying logs in an installation of streamrank's own: `streamrank replay --session`, one process for many logs.

    with ReplayProcess() as process:
        replay = Replayer(process)
        answers = replay([Item(time=1, item_id="p1", title="tea"), Query(time=2, request_id="r1", text="tea")])

In a test the fixture ``replay`` (``streamrank_client.pytest_plugin``) is such a function. Whoever calls it needs none
of streamrank's packages: a project may have a ``models``, a ``streams`` and a ``state`` of its own.
"""

from __future__ import annotations

import os
import selectors
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

import msgspec

from streamrank_client.answers import Answer, DeadLetter, decode_answer, decode_dead_letter
from streamrank_client.errors import LogError, ReplayError, SettingsError
from streamrank_client.events import Event, encode
from streamrank_client.logs import input_lines
from streamrank_client.replay_frames import (
    Greeting,
    ReplayReply,
    ReplayRequest,
    read_frame,
    wire_version,
    write_frame,
)
from streamrank_client.settings import ClientSettings, environment, given, read, setting, variable

__all__ = ["ReplayProcess", "ReplaySettings", "Replayer"]

#: seconds in which a session greets: it loads streamrank and starts its Valkey first
GREETS_IN: Final = 60.0
#: seconds that a session gets to end by itself
ENDS_IN: Final = 10.0
#: what would lead the session's interpreter to the packages of the project that is tested
_NOT_PASSED_ON: Final = ("PYTHONPATH", "PYTHONHOME")


@dataclass(frozen=True, kw_only=True)
class ReplaySettings(ClientSettings):
    """What a replay needs to know beside what a client does."""

    command: str = setting("streamrank", "command line of the streamrank that replays, split as a shell does")


class Replayer:
    """A function of a log that returns its answers; ``dead_letters`` are those of the last call."""

    def __init__(self, process: ReplayProcess) -> None:
        self._process = process
        self.dead_letters: list[DeadLetter] = []

    def __call__(
        self, source: str | Path | Iterable[Event | bytes], *, settings: Mapping[str, object] | None = None
    ) -> list[Answer]:
        """The answers to the queries in ``source``, in event-time order, beginning with an empty state.

        ``source``: the path of a log (.jsonl, .jsonl.gz), or events: structs, or JSON as bytes. ``settings``: by name
        (``{"candidates": 50}``), what holds for this call instead of the variables STREAMRANK_… of this process.

        It blocks until all is replayed, an event loop too; ``await asyncio.to_thread(replay, events)`` does not.

        Raises ReplayError with what is wrong and what to do: no such command, a session that ended, one of another
        version, a log that cannot be read, a setting or artifact that cannot be used.
        """
        self.dead_letters = []
        request = ReplayRequest(
            lines=_lines(source),
            variables=given(),
            settings={name: str(value) for name, value in (settings or {}).items()},
        )
        reply = self._process.reply(request)
        if reply.error:
            raise ReplayError(reply.error)
        self.dead_letters = [decode_dead_letter(raw) for raw in reply.dead_letters]
        return [decode_answer(raw) for raw in reply.answers]


class ReplayProcess:
    """`streamrank replay --session`: started at the first request, kept until ``close`` or the block's end.

    A session that has ended since the last request is started anew, and so is one of another command. Threads may share
    it; their requests wait for each other.
    """

    def __init__(self) -> None:
        self._session: _Session | None = None
        self._turn = Lock()

    def reply(self, request: ReplayRequest) -> ReplayReply:
        """The reply to one request. Raises ReplayError where no session can be had, or it ends."""
        try:
            command = read(ReplaySettings).command
        except SettingsError as error:
            raise ReplayError(str(error)) from error
        with self._turn:
            if self._session is None or self._session.command != command or self._session.ended:
                self._end()
                self._session = _Session(command)
            try:
                return self._session.reply(request)
            except BaseException:  # also what a test's timeout raises: a reply that comes late is to nobody's question
                self._end()
                raise

    def close(self) -> None:
        """End the session, if there is one."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Session:
    """A running session that has greeted. Raises ReplayError where it cannot be had."""

    def __init__(self, command: str) -> None:
        self.command = command
        # a file, not a pipe: nobody reads it until something goes wrong
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed with the session
        try:
            self._process = subprocess.Popen(
                [*_program(command), "replay", "--session"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                # PYTHONSAFEPATH: `python -m streams.cli` must not find the `streams` of the project that is tested
                env=environment({"PYTHONSAFEPATH": "1"}, without=_NOT_PASSED_ON),
                start_new_session=True,  # Ctrl-C is for the tests; the session ends when its stdin does
            )
        except OSError as error:
            self._said.close()
            raise ReplayError(f"{_named(command)} cannot be run: {error.strerror}: {_REMEDY}") from error
        try:
            self._greeted()
        except BaseException:
            self.close()
            raise

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def reply(self, request: ReplayRequest) -> ReplayReply:
        """Send a request and wait for its reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            write_frame(self._process.stdin, request)
            reply = read_frame(self._process.stdout, ReplayReply)
        except (OSError, EOFError) as error:
            raise self._lost() from error
        except msgspec.DecodeError as error:
            raise ReplayError(f"{_named(self.command)} gave no reply of a replay: {error}: {_REMEDY}") from error
        if reply is None:
            raise self._lost()
        return reply

    def close(self) -> None:
        """End it: no more requests, then SIGTERM, then SIGKILL."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be written: the session has ended
                    pipe.close()
        if not _ended(process):
            process.terminate()
            if not _ended(process):
                process.kill()
                process.wait()
        self._said.close()

    def _greeted(self) -> None:
        line = self._first_line()
        try:
            greeting = msgspec.json.decode(line, type=Greeting)
        except msgspec.DecodeError:
            begins = line[:60].decode(errors="replace").strip()
            raise ReplayError(f"{_named(self.command)} is not streamrank: it says {begins!r}: {_REMEDY}") from None
        here = wire_version()
        if greeting.client != here:
            raise ReplayError(
                f"{_named(self.command)} is streamrank {greeting.streamrank} with streamrank-client "
                f"{greeting.client or 'of no version'}, here is streamrank-client {here or 'of no version'}: "
                "install the same version of both"
            )

    def _first_line(self) -> bytes:
        """The line that a session greets with. Read without a buffer: what follows it is of frames."""
        assert self._process.stdout is not None
        pipe, line = self._process.stdout.fileno(), b""
        deadline = time.monotonic() + GREETS_IN
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n") and len(line) < 4_096:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ReplayError(f"{_named(self.command)} did not begin within {GREETS_IN:.0f} s: {_REMEDY}")
                more = os.read(pipe, 4_096)
                if not more:
                    raise self._lost()
                line += more
        return line

    def _lost(self) -> ReplayError:
        """That it ended, with its own last words."""
        if not _ended(self._process):
            return ReplayError(f"{_named(self.command)} closed its output, but runs on: {_REMEDY}")
        self._said.seek(0)
        words = [line for line in self._said.read().decode(errors="replace").splitlines() if line.strip()]
        last = words[-1].strip().removeprefix("streamrank: ") if words else f"it said nothing: {_REMEDY}"
        if "--session" in last:  # one that is too old to know the option
            last += ": install the same version of streamrank and streamrank-client"
        return ReplayError(f"{_named(self.command)} ended with exit code {self._process.returncode}: {last}")


_REMEDY: Final = f"name streamrank's command in {variable('command')}"


def _named(command: str) -> str:
    return f"{variable('command')}={command!r}"


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ends within the seconds that it gets."""
    try:
        process.wait(ENDS_IN)
    except subprocess.TimeoutExpired:
        return False
    return True


def _program(command: str) -> list[str]:
    """The command line as a list, its program found. Raises ReplayError."""
    try:
        name, *arguments = shlex.split(command)
    except ValueError as error:
        reason = str(error) if command.strip() else "it is empty"
        raise ReplayError(f"{_named(command)} is no command line: {reason}: {_REMEDY}") from None
    # beside the interpreter first: an environment need not be activated to be used
    beside = shutil.which(name, path=str(Path(sys.executable).parent)) if os.sep not in name else None
    program = beside or shutil.which(name)
    if program is None:
        raise ReplayError(
            f"{_named(command)}: there is no such command: install streamrank, in an environment of its own "
            f"(`uv tool install 'streamrank[cpu,embedded]'`), or {_REMEDY}"
        )
    return [program, *arguments]


def _lines(source: str | Path | Iterable[Event | bytes]) -> list[bytes]:
    if isinstance(source, str | Path):
        try:
            return [line.raw for line in input_lines(source)]
        except LogError as error:
            raise ReplayError(str(error)) from error
    return [event if isinstance(event, bytes) else encode(event) for event in source]
