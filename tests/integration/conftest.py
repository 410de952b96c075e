"""The shop: one worker in a process of its own on real Kafka and Redis, with a small catalogue, for many tests."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.servers import RealKafka, RealRedis
from streamrank_client.events import encode
from streams.artifacts.opening import artifact_path
from streams.kafka.admin import create_topics
from streams.settings import Settings
from tests.support.composing import link_encoders
from tests.support.small_log import items
from tests.support.worker_process import WorkerProcess, deployment, publish_lines

#: Redis databases that tests may flush: 0 is the fixture redis_url's, 9 the shop's
SHOP_DB = 9


@dataclass(frozen=True)
class Shop:
    """The running worker, its settings, and the folder of its own artifacts."""

    worker: WorkerProcess
    settings: Settings
    artifacts: Path


@pytest.fixture(scope="session")
def own_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of artifacts that tests may change: the ranker a copy, the encoders links."""
    folder = tmp_path_factory.mktemp("artifacts")
    link_encoders(folder)
    shutil.copytree(artifact_path(Settings(), "ranker"), folder / "ranker")
    return folder


@pytest.fixture(scope="session")
def shop(
    kafka: RealKafka, redis_server: RealRedis, own_artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """A worker with all roles and 80 items. A query waits long for its `after` event: this machine may be busy."""
    settings = deployment(
        kafka, redis_server, f"shop{uuid.uuid4().hex[:8]}", SHOP_DB,
        artifacts=str(own_artifacts), after_wait_ms=5_000, learning_rate=0.1,
    )  # fmt: skip
    asyncio.run(create_topics(settings))
    with WorkerProcess(settings) as worker:
        folder = tmp_path_factory.mktemp("shop")
        asyncio.run(publish_lines([encode(item) for item in items()], settings, folder))
        yield Shop(worker, settings, own_artifacts)
