"""The demo's processes: the embedded servers, and the worker that production uses."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from streamrank_client.errors import StreamrankError
from streamrank_client.settings import environment as for_child
from streams.offline.servers import free_port, start_pair
from streams.settings import Settings, load, variable

START_S: Final = 120.0


def start_servers(stack: ExitStack) -> Settings:
    """The embedded broker and Valkey, until ``stack`` closes; the settings that point a worker to them."""
    return replace(start_pair(stack, load()), session_timeout_s=6.0, web_port=free_port())


def environment(settings: Settings) -> dict[str, str]:
    """The variables that point a process to the demo's servers."""
    names = ("kafka", "redis", "fetch_wait_ms", "session_timeout_s", "web_port", "partitions", "shop", "topic_prefix")
    return {variable(name): str(getattr(settings, name)) for name in names}


def command_name() -> str:
    """How this very `streamrank` is called from any folder: by its name where the PATH leads to it, else whole."""
    here = Path(sys.executable).parent / "streamrank"
    found = shutil.which("streamrank")
    return "streamrank" if found is not None and Path(found).resolve() == here.resolve() else str(here)


@contextmanager
def worker_process(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`streamrank serve` in a process of its own, ended by SIGTERM."""
    # -P: a folder `streams` in the working directory is somebody else's
    command = [sys.executable, "-P", "-m", "streams.cli", "serve"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=for_child(environment(settings)), stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def until_ready(settings: Settings, worker: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the worker has its partitions. Raises StreamrankError with the end of its log."""
    url = f"http://{settings.web_host}:{settings.web_port}/ready"
    deadline = time.monotonic() + START_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and worker.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass  # not listening yet
            await asyncio.sleep(0.2)
    raise StreamrankError(f"the worker did not get ready in {START_S:.0f} s; its log ends with:\n{tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


async def until_stored(settings: Settings, events: int) -> None:
    """Wait until the worker has counted ``events`` behaviour events. Raises StreamrankError after two minutes."""
    url = f"http://{settings.web_host}:{settings.web_port}/metrics"
    counted = 0.0
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            async with session.get(url) as response:
                for line in (await response.text()).splitlines():
                    if line.startswith('streamrank_events_total{kind="behavior"}'):
                        counted = float(line.split()[-1])
            if counted >= events:
                return
            await asyncio.sleep(0.2)
    raise StreamrankError(f"the worker stored {counted:.0f} of {events} events in two minutes")


def peak_memory(process: subprocess.Popen[bytes]) -> float:
    """Peak resident memory of a process in MiB; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)
