"""A worker as a process of its own, and what its tests need around it: topics, caught-up state, stored values."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from time import monotonic

import msgspec
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from bench.servers import RealKafka, RealRedis
from state import keys
from state.layouts import unpacked
from state.marks import next_of
from state.store import BAD
from streamrank_client.kafka_options import kafka_options
from streamrank_client.settings import PREFIX
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.servers import HOST, LocalServer, ServerError, free_port
from streams.settings import Settings, checkout, variable
from streams.worker.app import Worker
from tests.support.redis_reading import reading

__all__ = ["WorkerProcess", "deployment", "payload", "progress", "publish_lines", "serving", "settled", "stored"]


class _Ready(msgspec.Struct):
    """What /ready says."""

    reasons: list[str]


class WorkerProcess(LocalServer):
    """``streamrank serve`` on a free web port; up once /ready says so. ``kill9``, ``terminate``, ``restart``.

    It ends with the thread that started it: what outlives a test is started in the main thread.
    """

    name = "worker"
    start_timeout = 120.0

    def __init__(self, settings: Settings, role: str = "all", up: str = "ready") -> None:
        """``up``: the page that says it is up, ``health`` for one that will not be ready."""
        super().__init__()
        self.settings = settings
        self.role = role
        self.up = up

    def command(self) -> Sequence[str]:
        """The console command, by module."""
        return [sys.executable, "-m", "streams.cli", "serve", "--role", self.role]

    def environment(self) -> Mapping[str, str]:
        """The settings as variables, and nothing of this process's own settings."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        default = Settings()
        changed = {
            variable(f.name): str(getattr(self.settings, f.name))
            for f in fields(Settings)
            if getattr(self.settings, f.name) != getattr(default, f.name)
        }
        return {**clean, **changed, variable("web_port"): str(self.port), "PYTHONPATH": str(checkout())}

    def answers(self) -> bool:
        """Whether it has its tables and partitions."""
        return self.page(self.up) is not None

    def page(self, name: str) -> str | None:
        """A page's text, None while it does not answer with 200."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/{name}", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except (urllib.error.URLError, OSError):
            return None

    def readiness(self) -> tuple[int, list[str]]:
        """The status of /ready and the reasons it gives; 0 and none while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/ready", timeout=5) as answer:
                return answer.status, msgspec.json.decode(answer.read(), type=_Ready).reasons
        except urllib.error.HTTPError as error:
            return error.code, msgspec.json.decode(error.read(), type=_Ready).reasons
        except OSError:
            return 0, []

    def metric(self, line: str) -> float:
        """The value of a metric's line, given with its labels; 0 where there is none yet."""
        for found in (self.page("metrics") or "").splitlines():
            if found.startswith(line + " "):
                return float(found.rsplit(" ", 1)[1])
        return 0.0

    def terminate(self, timeout: float = 30.0) -> int:
        """Send SIGTERM; the exit code."""
        process, self.process = self.process, None
        if process is None:
            raise ServerError("the worker is not running")
        process.terminate()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def items(self) -> float:
        """How many items it knows."""
        return self.metric("streamrank_catalogue_items")

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self.log_path.read_text(errors="replace")


def deployment(kafka: RealKafka, server: RealRedis, prefix: str, db: int, **more: object) -> Settings:
    """Settings of a deployment with topics and an emptied Redis database of its own.

    The encoders are built where they are missing, so that any file of tests can be run by itself.
    """
    url = server.redis.rsplit("/", 1)[0] + f"/{db}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    given: dict[str, object] = {
        "kafka": kafka.kafka, "redis": url, "topic_prefix": prefix + "-", "group": prefix, "partitions": 4,
        "fetch_wait_ms": 50, "session_timeout_s": 2.0, "artifact_poll_s": 0.2, "device": "cpu", **more,
    }  # fmt: skip
    settings = Settings(**given)  # type: ignore[arg-type]
    ensure_encoders(settings)
    return settings


async def publish_lines(
    raw: Sequence[bytes], settings: Settings, folder: Path, known: Callable[[], float] | None = None
) -> None:
    """Publish a log as `streamrank publish` does: items first, the rest once the catalogue has them.

    ``known``: how many items the worker knows; then the rest waits for it, too, and a busy worker's state is that of a
    replay.
    """
    from streams.offline.publishing.publish_log import publish_log

    path = folder / "published.jsonl"
    items = [line for line in raw if b'"event":"item"' in line] if known else []
    rest = [line for line in raw if b'"event":"item"' not in line] if known else raw
    if known and items:
        path.write_bytes(b"\n".join(items) + b"\n")
        await publish_log(path, settings)
        deadline = monotonic() + 60
        while await asyncio.to_thread(known) < len(items):
            assert monotonic() < deadline, f"the worker knows {known()} of {len(items)} items after 60 s"
            await asyncio.sleep(0.02)
    path.write_bytes(b"\n".join(rest) + b"\n")
    await publish_log(path, settings)


async def settled(settings: Settings, timeout: float = 60.0) -> None:
    """Return once all behaviour published so far, and the signals and feedback that follow, are stored."""
    named = settings.topics
    for spec in (named.behavior_events, named.signals, named.feedback):
        ends = await _ends(settings, spec.name, spec.partitions)
        deadline = monotonic() + timeout
        while (missing := _missing(settings, spec.name, ends)) > 0:
            assert monotonic() < deadline, f"{missing} records of {spec.name} are not stored after {timeout} s"
            await asyncio.sleep(0.02)


def progress(settings: Settings, topic: str) -> int:
    """How many records of a topic are stored, by its watermarks."""
    named = keys.in_shop(settings.shop, [keys.watermark(p, topic) for p in range(settings.partitions)])
    with reading(settings.redis) as look:
        values = look.values(named)
    return sum(next_of(payload(name, v)) or 0 for name, v in zip(named, values, strict=True) if v is not None)


def _missing(settings: Settings, topic: str, ends: Mapping[int, int]) -> int:
    marks = dict(zip(ends, keys.in_shop(settings.shop, [keys.watermark(p, topic) for p in ends]), strict=True))
    with reading(settings.redis) as look:
        found = dict(zip(ends, look.values(list(marks.values())), strict=True))
    reached = {p: next_of(v and payload(marks[p], v)) or 0 for p, v in found.items()}
    return sum(max(0, end - reached[p]) for p, end in ends.items())


async def _ends(settings: Settings, topic: str, partitions: int) -> dict[int, int]:
    consumer = AIOKafkaConsumer(**kafka_options(settings), group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, p) for p in range(partitions)])
    finally:
        await consumer.stop()
    return {tp.partition: offset for tp, offset in found.items()}


def stored(url: str, *patterns: str) -> dict[bytes, bytes]:
    """The payload of every string whose key matches one of the patterns."""
    with reading(url) as look:
        names = sorted({name for pattern in patterns for name in look.names(pattern)})
        values = look.values(names)
    return {name: payload(name, value) for name, value in zip(names, values, strict=True) if value is not None}


def payload(key: bytes, value: bytes) -> bytes:
    """A stored value without its layout's header; one that was kept aside as it is."""
    return value if key.startswith(BAD) else unpacked(key, value)


@asynccontextmanager
async def serving(settings: Settings, role: str = "all") -> AsyncIterator[Worker]:
    """A worker in this process, ready; it is stopped at the end."""
    worker = Worker(replace(settings, web_port=free_port()), role)
    await worker.app.start()
    try:
        deadline = monotonic() + 30
        while not worker.ready:
            assert monotonic() < deadline, "the worker is not ready after 30 s"
            await asyncio.sleep(0.02)
        yield worker
    finally:
        await worker.app.stop()


def known_to(worker: Worker) -> Callable[[], int]:
    """How many items a worker of this process knows."""
    return lambda: len(worker.tables.models.catalogue)
