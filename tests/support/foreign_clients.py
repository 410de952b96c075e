"""Six Kafka clients that nobody here wrote, as producers: each publishes lines of codec, partitioner, key and value.

Five are programs in ``tests/client/programs``, which are made once; librdkafka runs in this process. What a machine
lacks for one (node and npm, go, javac, a registry) is a reason to skip it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from confluent_kafka import Producer

from bench.servers import fetch_kafka, missing_kafka
from streams.settings import checkout
from tests.support.servers import need

__all__ = [
    "CODECS",
    "PARTITIONERS",
    "PROGRAMS",
    "ForeignRecord",
    "Publish",
    "go_program",
    "java",
    "librdkafka",
    "node",
    "publishing",
]

PROGRAMS: Final = checkout() / "tests" / "client" / "programs"
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONERS: Final = ("murmur2", "default", "round robin")
#: how npm and go say that their registry cannot be reached
_OFFLINE: Final = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|no such host|i/o timeout|"
    r"connection refused|module lookup disabled"
)


class ForeignRecord(NamedTuple):
    """A record, and how its producer is to send it."""

    codec: str
    partitioner: str
    key: str
    value: str


#: brokers, topic, partitions of the topic, records -> None: all of them are acknowledged
Publish = Callable[[str, str, int, Sequence[ForeignRecord]], None]


def librdkafka(brokers: str, topic: str, partitions: int, records: Sequence[ForeignRecord]) -> None:
    """With confluent-kafka. librdkafka has no round robin: there the partitions are given."""
    runs: dict[tuple[str, str], list[ForeignRecord]] = defaultdict(list)
    for record in records:
        runs[record.codec, record.partitioner].append(record)
    for (codec, partitioner), run in runs.items():
        options = {"partitioner": "murmur2_random"} if partitioner == "murmur2" else {}
        producer = Producer(
            {"bootstrap.servers": brokers, "compression.type": codec, "linger.ms": 50, "log_level": 0, **options}
        )
        turn = count()
        for record in run:
            where = next(turn) % partitions if partitioner == "round robin" else -1
            producer.produce(topic, record.value.encode(), record.key.encode(), where)
        assert producer.flush(30) == 0


def node(folder: Path) -> Path:
    """The folder of the program on kafkajs, with its packages as the lock file says."""
    _need("node", "npm")
    made = folder / "node"
    shutil.copytree(PROGRAMS / "node", made, ignore=shutil.ignore_patterns("node_modules"))
    _made(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], made)
    return made


def go_program(folder: Path) -> Path:
    """The program on franz-go, segmentio/kafka-go and sarama, compiled as go.sum says."""
    _need("go")
    program = folder / "publish-go"
    _made(["go", "build", "-buildvcs=false", "-o", str(program), "."], PROGRAMS / "go")
    return program


def java(folder: Path) -> str:
    """The class path of the program on Kafka's own client."""
    need(missing_kafka())
    _need("javac")
    jars = f"{fetch_kafka()}/*"
    _made(["javac", "-cp", jars, "-d", str(folder), str(PROGRAMS / "java" / "Publish.java")], folder)
    return f"{folder}:{jars}"


def publishing(*command: str | Path) -> Publish:
    """A program that takes brokers and a topic, and records as lines."""

    def publish(brokers: str, topic: str, partitions: int, records: Sequence[ForeignRecord]) -> None:
        """Run it to its end."""
        done = subprocess.run(
            [*map(str, command), brokers, topic], input="".join("\t".join(record) + "\n" for record in records),
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    return publish


def _need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH")


def _made(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode and (offline := _OFFLINE.search(done.stderr)):
        pytest.skip(f"{command[0]} cannot reach its registry: {offline[0]}")
    assert done.returncode == 0, done.stdout + done.stderr
