"""What a worker says at once, before it opens its models: topics that are not as the settings say, a taken web port."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from dataclasses import replace
from time import monotonic

import pytest

from streamrank_client.errors import SettingsError
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST, free_port
from streams.settings import Settings, checkout
from streams.worker.doors import knock
from tests.support.proxy import Proxy
from tests.support.servers import Broker
from tests.support.worker_process import WorkerProcess

NOBODY = "redis://127.0.0.1:1/0"


def declared(broker: Broker, partitions: int) -> Settings:
    """A deployment on this broker, without Redis."""
    return Settings(
        kafka=broker.kafka, redis=NOBODY, topic_prefix=broker.prefix + "-", partitions=partitions,
        web_port=free_port(),
    )  # fmt: skip


async def test_another_number_of_partitions_stops_a_worker(broker: Broker) -> None:
    """The line has the topics, their number, the setting and what to set; the right number lets it in."""
    await create_topics(declared(broker, 2))
    wrong = rf"STREAMRANK_PARTITIONS=3, but {broker.prefix}-item-events has 2, .*: set STREAMRANK_PARTITIONS=2$"
    with pytest.raises(SettingsError, match=wrong):
        await knock(declared(broker, 3))
    await knock(declared(broker, 2))


async def test_topics_whose_numbers_differ_among_themselves_must_be_made_anew(broker: Broker) -> None:
    """No setting fits both."""
    await broker.create("behavior-events", 5)
    settings = declared(broker, 2)
    with pytest.raises(SettingsError, match=r"behavior-events has 5: set STREAMRANK_PARTITIONS=5"):
        await create_topics(settings)
    await broker.create("query-events", 2)
    with pytest.raises(SettingsError, match=r"behavior-events has 5: these topics need one number"):
        await create_topics(settings)


async def test_missing_topics_and_a_taken_port_stop_a_worker(broker: Broker) -> None:
    """Missing topics are named with the command that makes them."""
    settings = declared(broker, 2)
    with pytest.raises(SettingsError, match=r"no topic .*signals.*streamrank topics create"):
        await knock(settings)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"STREAMRANK_WEB_PORT={port}"):
            await knock(replace(settings, web_port=port))


async def test_servers_that_are_away_stop_nobody() -> None:
    """They are waited for when the worker starts."""
    await knock(Settings(kafka="127.0.0.1:1", redis=NOBODY, web_port=free_port()))


async def test_servers_that_take_connections_and_say_nothing_stop_nobody() -> None:
    """Neither is waited for here as long as a client waits for an answer, 40 s of Kafka's."""
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        settings = Settings(
            kafka=f"{HOST}:{port}", redis=f"redis://{HOST}:{port}/0", redis_timeout_s=0.5, web_port=free_port()
        )
        await asyncio.wait_for(knock(settings), 30)


def test_a_kafka_that_comes_late_is_looked_at_then(real_broker: Broker, redis_url: str) -> None:
    """A worker waits for it, finds no topics, says so and ends with 2."""
    with Proxy(int(real_broker.kafka.rpartition(":")[2])) as proxy:
        proxy.refusing = True
        settings = replace(declared(real_broker, 2), kafka=f"{HOST}:{proxy.port}", redis=redis_url)
        with WorkerProcess(settings, up="health") as worker:
            assert worker.process is not None
            deadline = monotonic() + 60
            while "waits for Kafka before it starts" not in worker.log:
                assert monotonic() < deadline, worker.log
            proxy.refusing = False
            assert worker.process.wait(60) == 2
            said, worker.process = worker.log, None
    assert said.splitlines()[-1].startswith("streamrank: no topic ")
    assert "Traceback" not in said


def test_serve_says_it_in_one_line_with_exit_code_2(real_broker: Broker) -> None:
    """The command, on a Kafka without topics."""
    worker = WorkerProcess(declared(real_broker, 2))
    worker.port = free_port()
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "serve"], capture_output=True, text=True, timeout=120, check=False,
        cwd=checkout(), env=dict(worker.environment()),
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith("streamrank: no topic ")
    assert "streamrank topics create" in line
