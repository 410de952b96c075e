"""Six clients that nobody here wrote, five codecs, three partitioners: every click counts once, and for its user.

One worker takes what all of them publish. ``docs/connect.md`` has the outcome as a table, and complete programs, which
run here too.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec
import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition

from bench.servers import KAFKA_VERSION, RealKafka, RealRedis, fetch_kafka
from state import keys
from state.records import CONTEXT
from streamrank_client.events import CODE_OF, Click, Item, encode
from streamrank_client.making import now
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.offline.servers import EmbeddedBroker
from streams.settings import Settings
from tests.support import foreign_clients
from tests.support.foreign_clients import CODECS, PARTITIONERS, PROGRAMS, ForeignRecord, Publish, publishing
from tests.support.pages import blocks, page
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled, stored

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

#: by client: whether its own partitioner is murmur2
CLIENTS: Final = {
    "kafkajs": True, "librdkafka": False, "franz-go": True, "segmentio/kafka-go": False, "sarama": False, "Java": True,
}  # fmt: skip
USERS: Final = 4
ITEMS: Final = ("p1", "p2", "p3")
CLICKS: Final = len(CODECS) * len(PARTITIONERS) * USERS * len(ITEMS)
#: what franz-go needs on the embedded broker
OLDER: Final = "kgo.MaxVersions(kversion.V3_9_0())"
COUNTED: Final = 'streamrank_events_total{kind="behavior"}'
#: the bits of a record batch's attributes that say its codec
CODEC_BITS: Final = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


@dataclass
class Deployment:
    """A running worker and its settings; ``folder``: where the broker keeps its records, if it keeps files."""

    worker: WorkerProcess
    settings: Settings
    folder: Path | None

    @property
    def topic(self) -> str:
        """The topic of clicks."""
        return topics(self.settings.partitions, self.settings.topic_prefix).behavior_events.name

    def logs(self) -> list[Path]:
        """The files in which Kafka keeps the topic's records."""
        return sorted(self.folder.glob(f"data/{self.topic}-*/*.log")) if self.folder else []


@pytest.fixture(scope="module", params=["kafka", pytest.param("embedded", marks=pytest.mark.soak)])
def deployed(
    request: pytest.FixtureRequest, redis_server: RealRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """A worker that knows three items, on real Kafka or on the embedded broker."""
    kafka: RealKafka = request.getfixturevalue("kafka")
    settings = deployment(kafka, redis_server, f"matrix-{request.param}", 2)
    if request.param == "embedded":
        pair = request.getfixturevalue("embedded_servers")
        broker: EmbeddedBroker = pair[0]
        settings = replace(settings, kafka=broker.kafka, fetch_wait_ms=10)
    asyncio.run(create_topics(settings))
    with WorkerProcess(settings) as worker:
        lines = [encode(Item(time=now(), item_id=item, title=f"green coffee {item}")) for item in ITEMS]
        asyncio.run(publish_lines(lines, settings, tmp_path_factory.mktemp("items"), worker.items))
        yield Deployment(worker, settings, kafka.folder if request.param == "kafka" else None)
        assert worker.terminate() == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Publish]:
    """A function that makes a client's program the first time, and returns how it publishes."""
    folder = tmp_path_factory.mktemp("programs")
    ready: dict[str, object] = {}

    def make(client: str) -> Publish:
        """Skips where the toolchain is missing."""
        if client == "librdkafka":
            return foreign_clients.librdkafka
        kind = {"kafkajs": "node", "Java": "java"}.get(client, "go_program")
        if kind not in ready:
            ready[kind] = getattr(foreign_clients, kind)(folder)
        if kind == "node":
            return publishing("node", folder / "node" / "publish.js")
        if kind == "java":
            return publishing(
                "java", "-cp", str(ready[kind]), "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "Publish"
            )
        return publishing(folder / "publish-go", client)

    return make


def clicks(client: str) -> Iterator[ForeignRecord]:
    """Of each codec and partitioner: some users of their own, who click every item."""
    for codec in CODECS:
        for partitioner in PARTITIONERS:
            for user, item in ((user, item) for item in ITEMS for user in range(USERS)):
                name = f"{client}, {codec}, {partitioner}, {user}"
                click = Click(time=now(), event_id=f"{name}, {item}", user_id=name, item_id=item)
                yield ForeignRecord(codec, partitioner, name, encode(click).decode())


@pytest.mark.parametrize("client", CLIENTS)
async def test_every_click_of_a_foreign_client_counts_once_and_for_its_user(
    deployed: Deployment, made: Callable[[str], Publish], client: str
) -> None:
    """Whatever codec packed it, and whatever partition it was sent to."""
    worker, settings = deployed.worker, deployed.settings
    before = {path: path.stat().st_size for path in deployed.logs()}
    counted = worker.metric(COUNTED)
    publish = made("franz-go/3.9" if client == "franz-go" and deployed.folder is None else client)
    publish(settings.kafka, deployed.topic, settings.partitions, list(clicks(client)))
    await reached(worker, counted + CLICKS)
    await settled(settings)
    sent = read(deployed, client)
    rerouted = {record.partitioner for record in sent if record.rerouted}
    assert sum(not record.rerouted for record in sent) == CLICKS
    assert rerouted == ({"round robin"} if CLIENTS[client] else {"default", "round robin"})
    assert worker.metric(COUNTED) - counted == CLICKS
    assert worker.metric("streamrank_repeated_events_total") == 0
    dead = [line for line in (worker.page("metrics") or "").splitlines() if line.startswith("streamrank_dead_letters")]
    assert {line.rsplit(" ", 1)[1] for line in dead if "_total{" in line} == {"0.0"}
    check_contexts(settings, client)
    if before:
        assert codecs_written(deployed, before) == Counter(CODECS).keys()


async def reached(worker: WorkerProcess, events: float) -> None:
    """Wait until so many events are counted: the embedded broker tells the ends of its partitions late."""
    deadline = monotonic() + 60
    while (counted := worker.metric(COUNTED)) < events:
        assert monotonic() < deadline, f"{counted} of {events} events are counted after 60 s"
        await asyncio.sleep(0.05)


def check_contexts(settings: Settings, client: str) -> None:
    """Each user's context lies on its key's partition, and holds one click on each item."""
    contexts = stored(settings.redis, "ctx:*")
    users = {record.key for record in clicks(client)}
    assert len(users) == len(CODECS) * len(PARTITIONERS) * USERS
    for user in users:
        value = contexts[keys.context(partition_for(user.encode(), settings.partitions), user)]
        (counts,) = np.frombuffer(value, CONTEXT)["counts"]
        assert counts[CODE_OF[Click]] == len(ITEMS), user
        assert counts.sum() == len(ITEMS), user


@dataclass(frozen=True)
class Sent:
    """A record on the topic: how it was sent, and whether a worker published it once more."""

    partitioner: str
    rerouted: bool


def read(deployed: Deployment, client: str) -> list[Sent]:
    """All records of a client on the topic."""
    reader = Consumer({"bootstrap.servers": deployed.settings.kafka, "group.id": "matrix", "log_level": 0})
    partitions = [TopicPartition(deployed.topic, number, 0) for number in range(deployed.settings.partitions)]
    found = []
    try:
        missing = {each.partition: reader.get_watermark_offsets(each, timeout=10)[1] for each in partitions}
        reader.assign(partitions)
        # the embedded broker tells an end that lies before the last batch's: there it is read until nothing comes
        while max(missing.values()) > 0 or deployed.folder is None:
            record = reader.poll(10 if max(missing.values()) > 0 else 1)
            if record is None:
                break
            assert record.error() is None, record.error()
            if (record.offset() or 0) + 1 >= missing[record.partition() or 0]:
                missing[record.partition() or 0] = 0
            name, _, partitioner, _ = (record.key() or b"").decode().split(", ")
            if name == client:
                found.append(Sent(partitioner, "rerouted_from" in dict(record.headers() or [])))
        assert set(missing.values()) == {0}
    finally:
        reader.close()
    return found


def codecs_written(deployed: Deployment, before: dict[Path, int]) -> set[str]:
    """The codecs of the batches that Kafka has stored since then, from its own files."""
    found = set()
    for path in deployed.logs():
        data, at = path.read_bytes(), before.get(path, 0)
        while at + 23 <= len(data):
            (length,) = struct.unpack_from(">i", data, at + 8)
            (attributes,) = struct.unpack_from(">h", data, at + 21)
            found.add(CODEC_BITS[attributes & 7])
            at += 12 + length
    return found


# ---------------------------------------------------------------- the complete programs of docs/connect.md
def program(language: str, begins: str, deployed: Deployment) -> str:
    """A complete program of the page, with this deployment's topics."""
    (text,) = (block.text for block in blocks("docs/connect.md", language) if block.text.startswith(begins))
    names = r'"(behavior-events|query-events|recommendations)"'
    changed, times = re.subn(names, rf'"{deployed.settings.topic_prefix}\1"', text)
    assert times >= 3
    return changed


def prints_an_answer(command: list[str], folder: Path, deployed: Deployment) -> None:
    """The program's click has been seen by the answer that it prints."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"STREAMRANK_KAFKA": deployed.settings.kafka}, capture_output=True,
        text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seen" in done.stdout or "offset" in done.stdout
    assert {item for item in ITEMS if item in done.stdout} == set(ITEMS)


def test_the_node_program_of_the_page_clicks_and_is_answered(
    deployed: Deployment, made: Callable[[str], Publish], tmp_path: Path
) -> None:
    """With kafkajs."""
    made("kafkajs")
    folder = foreign_clients.node(tmp_path)
    (folder / "shop.js").write_text(program("js", "const { Kafka", deployed))
    prints_an_answer(["node", "shop.js"], folder, deployed)


def test_the_go_program_of_the_page_clicks_and_is_answered(
    deployed: Deployment, made: Callable[[str], Publish], tmp_path: Path
) -> None:
    """With franz-go; on the embedded broker with the option that the page names."""
    made("franz-go")
    for name in ("go.mod", "go.sum"):
        shutil.copy(PROGRAMS / "go" / name, tmp_path)
    text = program("go", "package main", deployed)
    if deployed.folder is None:
        text = text.replace("kgo.ProducerLinger(0),", f"kgo.ProducerLinger(0), {OLDER},")
        text = text.replace('pkg/kgo"\n', 'pkg/kgo"\n\t"github.com/twmb/franz-go/pkg/kversion"\n')
        assert f"`{OLDER}`" in page("docs/connect.md")
    (tmp_path / "main.go").write_text(text)
    prints_an_answer(["go", "run", "."], tmp_path, deployed)


def test_the_java_program_of_the_page_clicks_and_is_answered(deployed: Deployment, tmp_path: Path) -> None:
    """With Kafka's own client."""
    foreign_clients.java(tmp_path)
    (tmp_path / "Shop.java").write_text(program("java", "import java.time", deployed))
    prints_an_answer(["java", "-cp", f"{fetch_kafka()}/*", "Shop.java"], tmp_path, deployed)


def test_the_page_shows_the_murmur2_that_is_tested() -> None:
    """sarama's hash on the page is the one that the program of the matrix is made with."""
    told = "".join(block.text for block in blocks("docs/connect.md", "go"))
    source = (PROGRAMS / "go" / "murmur2.go").read_text().partition("// murmur2 is")[2]
    assert source.strip() in told


def test_the_page_names_the_versions_that_are_tested() -> None:
    """The lock files say them."""
    rows = [line for line in page("docs/connect.md").splitlines() if line.startswith("| ")]
    modules = (PROGRAMS / "go" / "go.mod").read_text()
    packages = msgspec.json.decode((PROGRAMS / "node" / "package-lock.json").read_bytes())["packages"]
    versions = {
        name: re.findall(rf"{name} v([\d.]+)", modules)[0] for name in ("franz-go", "segmentio/kafka-go", "sarama")
    }
    versions |= {"kafkajs": packages["node_modules/kafkajs"]["version"], "kafka-clients": KAFKA_VERSION}
    versions |= {name: version(name) for name in ("confluent-kafka", "aiokafka")}
    for name, tested in versions.items():
        assert any(name in row and f" {tested} |" in row for row in rows), f"{name} {tested}"


def test_lock_files_pin_every_package_and_name_no_host() -> None:
    """Who runs the matrix runs what was tested, from the registry that is set there."""
    packages = msgspec.json.decode((PROGRAMS / "node" / "package-lock.json").read_bytes())["packages"]
    for name, about in packages.items():
        assert not name or about["integrity"].startswith("sha512-"), name
        assert "resolved" not in about, name
    assert "github.com/IBM/sarama" in (PROGRAMS / "go" / "go.sum").read_text()
