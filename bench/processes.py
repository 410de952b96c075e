"""The processes that the benches measure, each `python -m bench.worker …` with its own settings and folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from streamrank_client.settings import environment as for_child
from streams.offline.servers import HOST, LocalServer
from streams.settings import Settings, checkout, variable

__all__ = ["UP", "GatewayProcess", "Process"]

#: the file in which a process writes the moment it was up (seconds, CLOCK_MONOTONIC: one clock for all processes)
UP: Final = "up"


class Process(LocalServer):
    """`python -m bench.worker ARGUMENTS` with ``settings``; up once it says so, or with ``web`` once /ready does.

    It works in a folder of its own, which goes with it: a stock Faust app leaves its data there.
    """

    name = "bench-worker"
    start_timeout = 120.0

    def __init__(self, settings: Settings, *arguments: str, web: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.arguments = arguments
        self.web = web

    def command(self) -> Sequence[str]:
        """The module, by name."""
        return [sys.executable, "-m", "bench.worker", *self.arguments]

    def environment(self) -> Mapping[str, str]:
        """Every setting as its variable, and the checkout's packages."""
        given = {variable(f.name): str(getattr(self.settings, f.name)) for f in fields(Settings)}
        return for_child({**given, variable("web_port"): str(self.port), "PYTHONPATH": str(checkout())})

    def answers(self) -> bool:
        """Whether it has written when it was up, or says that it is ready."""
        if self.web:
            return self._ready()
        return self._up.exists() and self._up.read_text().endswith("\n")

    def _ready(self) -> bool:
        try:
            with urlopen(f"http://{HOST}:{self.port}/ready", timeout=5) as page:
                return bool(page.status == 200)
        except (URLError, OSError):
            return False

    @property
    def up_at(self) -> float:
        """When it was up, in seconds of ``time.monotonic``."""
        return float(self._up.read_text())

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it has written."""
        return self._log_tail()

    @property
    def _up(self) -> Path:
        return self.folder / UP


class GatewayProcess(LocalServer):
    """`streamrank gateway` with ``settings`` on a free port; up once /ready says so."""

    name = "gateway"
    start_timeout = 60.0

    def __init__(self, settings: Settings, *options: str) -> None:
        super().__init__()
        self.settings = settings
        self.options = options

    def command(self) -> Sequence[str]:
        """The console command, by module."""
        return [sys.executable, "-m", "streams.cli", "gateway", *self.options]

    def environment(self) -> Mapping[str, str]:
        """Every setting as its variable, and the checkout's packages."""
        given = {variable(f.name): str(getattr(self.settings, f.name)) for f in fields(Settings)}
        return for_child({**given, variable("gateway_port"): str(self.port), "PYTHONPATH": str(checkout())})

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            with urlopen(f"http://{HOST}:{self.port}/ready", timeout=5) as page:
                return bool(page.status == 200)
        except (URLError, OSError):
            return False
