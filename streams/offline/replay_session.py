"""`streamrank replay --session`: one process that replays log after log, for the fixture of streamrank-client.

Artifacts and words are opened once; every log gets models and tables of its own, and an empty database. stdout carries
the frames of ``streamrank_client.replay_frames`` and nothing else. It ends when stdin does, in the middle of a replay
too: whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final

import msgspec
from redis.exceptions import RedisError

from models.base.errors import ModelError
from state.store import Store
from streamrank_client.errors import LogError, SettingsError, StreamrankError
from streamrank_client.logs import Line
from streamrank_client.replay_frames import (
    Greeting,
    ReplayReply,
    ReplayRequest,
    read_frame,
    wire_version,
    write_frame,
)
from streams.artifacts.opening import Opened, open_artifacts, versions
from streams.offline.replay import replay
from streams.settings import Settings, load, variable

__all__ = ["ReplaySession", "serve_session"]

#: seconds in which a replay that nobody waits for any more must have been broken off
PATIENCE: Final = 10.0
#: what decides which artifacts are opened, and how: folder, device, threads, and the versions on disk
_Key = tuple[Path, str, int, tuple[tuple[str, str | None], ...]]


class ReplaySession:
    """Replays one log after the other into the Redis database at ``redis``, which it leaves empty."""

    def __init__(self, redis: str) -> None:
        self._redis = redis
        self._opened: tuple[_Key, Opened] | None = None

    async def reply(self, request: ReplayRequest) -> ReplayReply:
        """Replay a log; what is wrong with its settings, the artifacts or the database becomes the reply's error.

        Raises RedisError and OSError when Redis does not answer.
        """
        answers: list[bytes] = []
        dead: list[bytes] = []
        try:
            settings = settings_of(request.variables, request.settings)
            opened = self._artifacts(settings)
            lines = [Line(number, raw) for number, raw in enumerate(request.lines, 1)]
            async with self._emptied():
                await replay(lines, settings, self._redis, opened=opened, on_answer=answers.append, on_dead=dead.append)
        except (StreamrankError, ModelError) as error:
            return ReplayReply(error=str(error))
        except (RedisError, OSError):
            raise  # no later log fares better: the session ends, and the next one starts its servers anew
        except Exception as error:
            return ReplayReply(error=f"unexpected {type(error).__name__}: {error} (a fault of streamrank)")
        return ReplayReply(answers, dead)

    @asynccontextmanager
    async def _emptied(self) -> AsyncIterator[None]:
        """An empty database that is emptied afterwards; what others wrote is not touched. Raises LogError."""
        store = Store(self._redis)
        try:
            if not await store.empty():
                raise LogError("replay needs an empty Redis database: name another one, or flush it")
            try:
                yield
            finally:
                await store.flush()
        finally:
            await store.close()

    def _artifacts(self, settings: Settings) -> Opened:
        """Those of the settings, opened again only where they are others than the last time."""
        key = (settings.artifact_folder, settings.device, settings.threads, tuple(versions(settings).items()))
        if self._opened is None or self._opened[0] != key:
            self._opened = key, open_artifacts(settings)
        return self._opened[1]


def settings_of(variables: Mapping[str, str], changes: Mapping[str, str]) -> Settings:
    """The settings of an environment with some, by name, changed.

    >>> settings_of({"STREAMRANK_CANDIDATES": "50"}, {"partitions": "4"}).partitions
    4

    Raises SettingsError for a name that is none, and as ``load`` does.
    """
    names = {field.name for field in fields(Settings)}
    for name in changes:
        if name not in names:
            raise SettingsError(f"settings: {name!r} is no setting of streamrank: docs/settings.md lists their names")
    return load({**variables, **{variable(name): value for name, value in changes.items()}})


def serve_session(redis: str) -> None:
    """Answer requests on stdin, by replaying into the Redis at ``redis``, until stdin ends or SIGTERM comes.

    Raises as ``ReplaySession.reply`` does.
    """
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints from here on, a library written in C too, prints to stderr
    replies.write(msgspec.json.encode(Greeting(version("streamrank"), wire_version())) + b"\n")
    replies.flush()
    with suppress(asyncio.CancelledError, BrokenPipeError):
        asyncio.run(_serve(ReplaySession(redis), replies))


async def _serve(session: ReplaySession, replies: BinaryIO) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    # not by raising from a handler: what runs just then may swallow it (a finalizer does)
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    requests: asyncio.Queue[ReplayRequest] = asyncio.Queue()
    # a thread, so that the end of stdin is noticed while a log is replayed
    Thread(target=_read, args=(loop, requests, task), daemon=True).start()
    while True:
        write_frame(replies, await session.reply(await requests.get()))


def _read(loop: asyncio.AbstractEventLoop, requests: asyncio.Queue[ReplayRequest], task: asyncio.Task[None]) -> None:
    """Hand on requests until stdin ends; then end the task, or, where that takes too long, the process."""
    # a reader of its own: at its exit the interpreter waits for whoever reads sys.stdin
    stream = os.fdopen(os.dup(0), "rb")
    try:
        while (request := read_frame(stream, ReplayRequest)) is not None:
            loop.call_soon_threadsafe(requests.put_nowait, request)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        time.sleep(PATIENCE)
        os._exit(1)
