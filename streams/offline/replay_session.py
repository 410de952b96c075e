"""`streamrank replay --session`: one process that replays log after log, for the fixture of streamrank-client.

Artifacts and words are opened once; every log gets models and tables of its own, and an empty database. stdout carries
the frames of ``streamrank_client.replay_frames`` and nothing else. It ends when stdin does, in the middle of a replay
too: whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import FrameType
from typing import NoReturn

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from models.base.errors import ModelError
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

#: what decides which artifacts are opened, and how: folder, device, threads, and the versions on disk
_Key = tuple[Path, str, int, tuple[tuple[str, str | None], ...]]


class ReplaySession:
    """Replays one log after the other into the Redis database at ``redis``, which it leaves empty."""

    def __init__(self, redis: str) -> None:
        self._redis = redis
        self._opened: tuple[_Key, Opened] | None = None

    def reply(self, request: ReplayRequest) -> ReplayReply:
        """Replay a log; what is wrong with its settings, the artifacts or the database becomes the reply's error.

        Raises RedisError and OSError when Redis does not answer.
        """
        answers: list[bytes] = []
        dead: list[bytes] = []
        try:
            settings = settings_of(request.variables, request.settings)
            opened = self._artifacts(settings)
            lines = [Line(number, raw) for number, raw in enumerate(request.lines, 1)]
            with Redis.from_url(self._redis) as client:
                if client.dbsize():  # what others wrote is not flushed
                    raise LogError(
                        f"the database {settings.shown()['redis']} is not empty: name another one, or flush it"
                    )
                try:
                    asyncio.run(
                        replay(
                            lines, settings, self._redis, opened=opened, on_answer=answers.append, on_dead=dead.append
                        )
                    )
                finally:
                    client.flushdb()
        except (StreamrankError, ModelError) as error:
            return ReplayReply(error=str(error))
        except (RedisError, OSError):
            raise  # no later log fares better: the session ends, and the next one starts its servers anew
        except Exception as error:
            return ReplayReply(error=f"unexpected {type(error).__name__}: {error} (a fault of streamrank)")
        return ReplayReply(answers, dead)

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


def serve_session(redis: str) -> NoReturn:
    """Answer requests on stdin until it ends. Raises SystemExit when it does, or at SIGTERM; see ``ReplaySession``."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints from here on, a library written in C too, prints to stderr
    signal.signal(signal.SIGTERM, _end)
    replies.write(msgspec.json.encode(Greeting(version("streamrank"), wire_version())) + b"\n")
    replies.flush()
    requests: SimpleQueue[ReplayRequest] = SimpleQueue()
    # a thread, so that the end of stdin is noticed while a log is replayed
    Thread(target=_read, args=(requests,), daemon=True).start()
    session = ReplaySession(redis)
    while True:
        write_frame(replies, session.reply(requests.get()))


def _read(requests: SimpleQueue[ReplayRequest]) -> None:
    try:
        while (request := read_frame(sys.stdin.buffer, ReplayRequest)) is not None:
            requests.put(request)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> None:
    """End as the interpreter does, so that the servers that were started for this session end too."""
    raise SystemExit(0)
