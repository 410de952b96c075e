"""The compose files: what can be held without a Docker engine."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from streams.settings import Settings, checkout, load, variable

ROOT = checkout()
COMPOSE = ROOT / "compose"
Services = dict[str, dict[str, Any]]
ROLES = ("ingest", "query", "trainer")


@pytest.fixture(scope="module")
def services() -> Services:
    """The services of compose.yaml, anchors resolved."""
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    found: Services = document["services"]
    return found


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """The Dockerfile with its continued lines joined."""
    return (COMPOSE / "Dockerfile").read_text().replace("\\\n", " ")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def default(text: str) -> str:
    """The text with each ``${NAME:-value}`` replaced by its value."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_worker_that_waits_and_reports(services: Services, role: str) -> None:
    """A worker starts after topics and Redis, is probed on /ready, restarts, and has time to drain."""
    worker = services[role]
    assert worker["command"] == ["serve", "--role", role]
    assert worker["depends_on"] == {
        "topics": {"condition": "service_completed_successfully"},
        "redis": {"condition": "service_healthy"},
    }
    assert ":6066/ready" in worker["healthcheck"]["test"][-1]
    assert worker["restart"] == "unless-stopped"
    assert worker["stop_grace_period"] == "40s"


def test_the_gateway_is_there_when_asked_for_with_tokens(services: Services) -> None:
    """In a profile of its own, probed on its own port, with the file of tokens as a secret that is not shipped."""
    gateway = services["gateway"]
    assert (gateway["command"], gateway["profiles"]) == (["gateway"], ["gateway"])
    environment = gateway["environment"]
    settings = load({k: default(v) for k, v in environment.items() if k != "STREAMRANK_GATEWAY_TOKENS"})
    assert (settings.gateway_host, default(gateway["ports"][0])) == ("0.0.0.0", "127.0.0.1:6080:6080")
    assert f":{settings.gateway_port}/ready" in gateway["healthcheck"]["test"][-1]
    assert settings.gateway_workers == f"http://query:{settings.web_port}"
    (secret,) = gateway["secrets"]
    assert environment["STREAMRANK_GATEWAY_TOKENS"] == f"/run/secrets/{secret}"
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    assert default(document["secrets"][secret]["file"]) == "./tokens.toml"
    assert "/compose/tokens.toml" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_topics_are_made_once_and_never_by_accident(services: Services) -> None:
    """A one-shot makes them with their policies, and the broker makes none by itself."""
    topics = services["topics"]
    assert (topics["command"], topics["restart"]) == (["topics", "create"], "no")
    assert topics["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_every_environment_variable_is_a_setting(services: Services) -> None:
    """A renamed setting must not leave a variable behind that nobody reads, and the values must parse."""
    known = {variable(field.name) for field in fields(Settings)}
    overlay = yaml.safe_load((COMPOSE / "gpu.yaml").read_text())["services"]
    for name in (*ROLES, "topics", "tools", "gateway"):
        environment = services[name]["environment"] | overlay.get(name, {}).get("environment", {})
        assert set(environment) <= known
        environment.pop("STREAMRANK_GATEWAY_TOKENS", None)  # a file in the container
        settings = load({key: default(value) for key, value in environment.items()})
        assert (settings.web_host, settings.web_port) == ("0.0.0.0", 6066)


def test_kafkas_listeners_fit_together(services: Services) -> None:
    """Every listener has a protocol, and the advertised ones are where the workers and the host look."""
    kafka = {key: default(value) for key, value in services["kafka"]["environment"].items()}
    listeners = dict(entry.split("://") for entry in kafka["KAFKA_LISTENERS"].split(","))
    protocols = dict(entry.split(":") for entry in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    advertised = dict(entry.split("://") for entry in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert set(listeners) == set(protocols)
    assert set(advertised) == set(listeners) - {kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert advertised["INSIDE"] == services["query"]["environment"]["STREAMRANK_KAFKA"]
    assert default(services["kafka"]["ports"][0]) == f"{advertised['OUTSIDE']}:29092"
    assert listeners["CONTROLLER"] == kafka["KAFKA_CONTROLLER_QUORUM_VOTERS"].removeprefix("1@")


def test_every_port_is_open_on_the_loopback_only(services: Services) -> None:
    """Nothing here has a password, so nothing may listen on an outer interface."""
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_mounted_file_and_volume_exists(services: Services) -> None:
    """A bind mount of a missing file would become an empty folder, silently."""
    volumes = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["volumes"]
    sources = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    files = {"./redis.conf", "./prometheus", "./grafana/provisioning", "./grafana/boards"}
    assert files | set(volumes) == set(sources)
    for source in files:
        assert (COMPOSE / source).exists()


def test_workers_keep_artifacts_and_compiled_loops_where_the_image_lets_them_write(
    services: Services, dockerfile: str
) -> None:
    """The volumes lie where the image's variables point, and begin as folders of its user."""
    final = dockerfile.rpartition("\nFROM ")[2]
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(re.findall(r"^ENV (.*)", final, re.MULTILINE))))
    folders = {"artifacts": variables["STREAMRANK_ARTIFACTS"], "numba-cache": variables["NUMBA_CACHE_DIR"]}
    for name in (*ROLES, "topics", "tools"):
        assert dict(volume.split(":") for volume in services[name]["volumes"]) == folders
    assert f"COPY --from=build --chown=streamrank:streamrank /opt/artifacts {folders['artifacts']}" in final
    assert f"install --directory --owner=streamrank --group=streamrank {folders['numba-cache']}" in final


def test_prometheus_finds_every_role_on_the_web_port() -> None:
    """The scrape names are the services' names, the port theirs."""
    (job,) = yaml.safe_load((COMPOSE / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert (tuple(found["names"]), found["port"], job["metrics_path"]) == (ROLES, 6066, "/metrics")


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_probe_tells_ready_from_not(services: Services, dockerfile: str, status: int | None, healthy: bool) -> None:
    """The probe's own words, run against a server that is ready, one that is not, and none at all."""
    command, port = services["query"]["healthcheck"]["test"], free_port()
    assert command[:3] == ["CMD", "python", "-c"]
    assert command[3] in dockerfile
    with served(port, status):
        probe = [sys.executable, "-c", command[3].replace("6066", str(port))]
        assert (subprocess.run(probe, capture_output=True, timeout=30).returncode == 0) is healthy


class served:
    """An HTTP server on ``port`` that answers /ready with ``status``; none where that is None."""

    def __init__(self, port: int, status: int | None) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if status and self.path == "/ready" else 404)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", port), Handler) if status else None

    def __enter__(self) -> None:
        if self.server:
            threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()


@pytest.fixture
def configured_redis(tmp_path: Path) -> Iterator[redis.Redis]:
    """A real redis-server started with compose/redis.conf, in a folder and on a port of its own."""
    binary = shutil.which("redis-server")
    if binary is None:
        if os.environ.get("STREAMRANK_REQUIRE_SERVERS") == "1":
            pytest.fail("redis-server is not on the PATH")
        pytest.skip("redis-server is not on the PATH")
    port = free_port()
    text = (COMPOSE / "redis.conf").read_text().replace("dir /data", f"dir {tmp_path}")
    (tmp_path / "redis.conf").write_text(text.replace("port 6379", f"port {port}").replace("bind * -::*", ""))
    server = subprocess.Popen([binary, str(tmp_path / "redis.conf"), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port, decode_responses=True)
    try:
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert server.poll() is None, "redis-server refused compose/redis.conf"
                time.sleep(0.05)
        yield client
    finally:
        client.close()
        server.terminate()
        server.wait(10)


def test_redis_takes_the_file_and_evicts_nothing(configured_redis: redis.Redis) -> None:
    """The real server reads every line: append-only on, snapshots off, noeviction."""
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "maxmemory": str(2 << 30),
    }
    assert {key: configured_redis.config_get(key)[key] for key in wanted} == wanted


def test_the_image_copies_only_what_its_build_may_see(dockerfile: str) -> None:
    """Every COPY source exists and is let through by .dockerignore; caches and environments are not."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    copies = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    sources = [source.replace("${LOCK}", "run") for copy in copies for source in copy if not copy[0].startswith("--")]
    assert {"pyproject.toml", "streams", "models", "state", "requirements/run.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        assert source.split("/")[0] in allowed


def test_the_image_is_pinned_and_not_root(dockerfile: str) -> None:
    """Everything installed has a hash, the encoder is built in, and the worker runs as nobody special."""
    installs = [part for part in re.split(r"&&|\n", dockerfile) if "pip install" in part]
    assert len(installs) == 3
    assert all("--require-hashes" in part or "--no-deps" in part for part in installs)
    assert "RUN STREAMRANK_ARTIFACTS=/opt/artifacts streamrank artifact build encoder" in dockerfile
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users == ["streamrank"]
    assert dockerfile.index("USER streamrank") < dockerfile.index("ENTRYPOINT")


def test_docker_compose_accepts_the_files() -> None:
    """Where the client has compose, it reads both files without a complaint (no engine is needed)."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker client with compose here")
    for overlay in ([], ["-f", str(COMPOSE / "gpu.yaml")]):
        done = subprocess.run(
            [docker, "compose", "-f", str(COMPOSE / "compose.yaml"), *overlay, "config", "--quiet"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
