"""Real Apache Kafka, started with the environment that compose.yaml gives its container."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import yaml

from bench.servers import fetch_kafka, missing_kafka
from streams.offline.servers import answers_kafka, free_port
from tests.support.servers import need

COMPOSE = Path(__file__).resolve().parents[2] / "compose" / "compose.yaml"


def properties(folder: Path, ports: dict[str, int]) -> str:
    """The container's environment as its entry point writes it, on this machine's ports and folder."""
    environment = yaml.safe_load(COMPOSE.read_text())["services"]["kafka"]["environment"]
    lines = {key.removeprefix("KAFKA_").lower().replace("_", "."): text for key, text in environment.items()}
    del lines["heap.opts"]
    lines["log.dirs"] = str(folder / "data")
    text = "\n".join(f"{key}={value}" for key, value in lines.items())
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("//kafka:", "//127.0.0.1:")
    return re.sub(r"(?<=:)(9092|9093|29092)\b", lambda port: str(ports[port[0]]), text)


def test_kafka_starts_with_the_compose_environment(tmp_path: Path) -> None:
    """The storage is formatted, and both listeners answer with a registered broker."""
    need(missing_kafka())
    ports = {port: free_port() for port in ("9092", "9093", "29092")}
    config = tmp_path / "server.properties"
    config.write_text(properties(tmp_path, ports))
    java = ["java", "-cp", f"{fetch_kafka()}/*", "-Xmx256m", "-XX:+UseSerialGC"]
    cluster = ["-t", "c3RyZWFtcmFuay1jb21wb3Nl", "-c", str(config)]
    formatted = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", *cluster], capture_output=True, text=True, timeout=60
    )
    assert formatted.returncode == 0, formatted.stdout[-800:] + formatted.stderr[-800:]
    with (tmp_path / "kafka.log").open("w") as log:
        broker = subprocess.Popen([*java, "kafka.Kafka", str(config)], stdout=log, stderr=log)
    try:
        for _ in range(300):
            if answers_kafka(ports["9092"]) and answers_kafka(ports["29092"]):
                break
            assert broker.poll() is None, (tmp_path / "kafka.log").read_text()[-800:]
            time.sleep(0.1)
        else:
            raise AssertionError((tmp_path / "kafka.log").read_text()[-800:])
    finally:
        broker.kill()
        broker.wait(10)
