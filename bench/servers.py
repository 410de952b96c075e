"""Real Apache Kafka and a real Redis (or Valkey) for integration tests and benchmarks.

Kafka comes from Maven (``org.apache.kafka:kafka_2.13`` with its runtime dependencies), copied once into
``.cache/kafka`` of the checkout, and runs as one KRaft node; Redis is the server found on PATH.

>>> with RealKafka() as kafka, RealRedis() as redis:      # doctest: +SKIP
...     print(kafka.kafka, redis.redis)
127.0.0.1:40123 redis://127.0.0.1:40124/0
"""

from __future__ import annotations

import base64
import fcntl
import shutil
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.offline.servers import HOST, LocalServer, ServerError, answers_kafka, answers_redis, free_port

__all__ = [
    "KAFKA_VERSION", "SASL_PASSWORD", "SASL_USER", "Certificates", "RealKafka", "RealRedis", "missing", "missing_kafka",
    "missing_redis",
]  # fmt: skip

KAFKA_VERSION = "4.1.0"
#: of the second listener, for tests of authentication; the node lives on 127.0.0.1 and only as long as a test
SASL_USER, SASL_PASSWORD = "shop", "not-a-secret"
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "kafka"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>streamrank</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""

_LOG4J = """Configuration:
  status: warn
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d %p %c{1}: %m%n"
  Loggers:
    Root:
      level: warn
      AppenderRef:
        ref: out
"""

_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{port},SASL://{host}:{sasl_port},PROXIED://{host}:{proxied}{secured},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},SASL://{host}:{sasl_port},PROXIED://{host}:{advertised}{secured}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,PROXIED:PLAINTEXT,SECURED:SASL_SSL
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={plain} required user_{user}="{password}";
log.dirs={folder}/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controlled.shutdown.enable=false
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
"""


#: of the listener behind TLS
_SECURED = """listener.name.secured.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={keystore}
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: an authority's certificate, and a server's for 127.0.0.1 with its key."""

    authority: Path
    certificate: Path
    key: Path


def _redis_binary() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


def missing_kafka() -> str | None:
    """Why real Kafka cannot run here, or None."""
    if shutil.which("java") is None:
        return "no java on PATH: install a Java 17 runtime"
    if not _jars_ready() and shutil.which("mvn") is None:
        return "no mvn on PATH: install Maven, it fetches Apache Kafka once"
    return None


def missing_redis() -> str | None:
    """Why a real Redis cannot run here, or None."""
    if _redis_binary() is None:
        return "no redis-server or valkey-server on PATH: install one of them"
    return None


def missing() -> str | None:
    """Why the real servers cannot run here, or None when both can."""
    return missing_kafka() or missing_redis()


def _jar_folder() -> Path:
    return CACHE / KAFKA_VERSION


def _jars_ready() -> bool:
    return (_jar_folder() / "complete").exists()


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two test runs do not fetch into one folder at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch_kafka() -> Path:
    """The folder of Kafka's jars; fetched with Maven on first use. Raises ServerError when Maven fails."""
    folder = _jar_folder()
    with _only_one(CACHE / "lock"):
        if not _jars_ready():
            reason = missing_kafka()
            if reason is not None:
                raise ServerError(reason)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "pom.xml").write_text(_POM)
            done = subprocess.run(
                ["mvn", "-q", "-B", "dependency:copy-dependencies",
                 "-DincludeScope=runtime", "-DoutputDirectory=jars"],
                cwd=folder, capture_output=True, text=True, timeout=540, check=False,
            )  # fmt: skip
            if done.returncode:
                raise ServerError(f"mvn could not fetch Apache Kafka {KAFKA_VERSION}: {done.stdout[-800:]}")
            (folder / "complete").touch()
    return folder / "jars"


class RealKafka(LocalServer):
    """One KRaft node of Apache Kafka on free ports; topics are created by hand, groups form without delay."""

    name = "kafka"
    start_timeout = 60.0

    def __init__(self, heap: str = "384m", advertised: int = 0, tls: Certificates | None = None) -> None:
        """``advertised``: clients of ``proxied_port`` are told to come to this port, where a proxy listens; ``tls``: it
        also listens on ``secured_port``, by SASL_SSL with SCRAM-SHA-512.
        """
        super().__init__()
        self.heap = heap
        self.advertised = advertised
        self.tls = tls
        self.sasl_port = self.proxied_port = self.secured_port = 0
        self._classpath = ""

    @property
    def kafka(self) -> str:
        """Bootstrap address, ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def sasl(self) -> dict[str, str]:
        """The same node behind SASL: keyword arguments of an aiokafka client, ``bootstrap_servers`` too."""
        return {
            "bootstrap_servers": f"{HOST}:{self.sasl_port}",
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": SASL_USER,
            "sasl_plain_password": SASL_PASSWORD,
        }

    def command(self) -> Sequence[str]:
        """Writes the node's files for its ports (formatting new data folders), then: java kafka.Kafka."""
        if not self._classpath:
            reason = missing_kafka()
            if reason is not None:
                raise ServerError(reason)
            self._classpath = f"{fetch_kafka()}/*"
        config = self.folder / "server.properties"
        if not config.exists() or f":{self.port}," not in config.read_text():
            self._format(config)
        return [*self._java(), f"-Xmx{self.heap}", f"-Xms{self.heap}", "kafka.Kafka", str(config)]

    def _java(self) -> list[str]:
        log4j = self.folder / "log4j2.yaml"
        log4j.write_text(_LOG4J)
        return [
            "java", "-cp", self._classpath, f"-Dlog4j2.configurationFile={log4j}", "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
        ]  # fmt: skip

    def _format(self, config: Path) -> None:
        self.sasl_port, self.proxied_port, self.secured_port = free_port(), free_port(), free_port()
        text = _PROPERTIES.format(
            host=HOST, port=self.port, sasl_port=self.sasl_port, controller=free_port(), folder=self.folder,
            proxied=self.proxied_port, advertised=self.advertised or self.proxied_port,
            plain="org.apache.kafka.common.security.plain.PlainLoginModule", user=SASL_USER, password=SASL_PASSWORD,
            secured=f",SECURED://{HOST}:{self.secured_port}" if self.tls else "",
        )  # fmt: skip
        if self.tls:
            keystore = self.folder / "keystore.pem"
            keystore.write_text(self.tls.key.read_text() + self.tls.certificate.read_text())
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
            text += _SECURED.format(scram=scram, keystore=keystore)
        config.write_text(text)
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)]
        if self.tls:
            tool += ["--add-scram", f"SCRAM-SHA-512=[name={SASL_USER},password={SASL_PASSWORD}]"]
        done = subprocess.run([*self._java(), *tool], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            said = done.stdout[-400:] + done.stderr[-400:]
            raise ServerError(f"kafka's data folder could not be formatted: {said}")

    def answers(self) -> bool:
        """Whether it answers a Metadata request with a registered broker."""
        return answers_kafka(self.port)

    def close(self) -> None:
        """End it at once (a clean end takes seconds and its data are removed anyway)."""
        self.kill9()
        super().close()


class RealRedis(LocalServer):
    """``redis-server`` or ``valkey-server`` from PATH; ``persist`` keeps its data over a restart.

    ``tls``: it speaks TLS only, and asks for user and password.
    """

    name = "redis"

    def __init__(self, *, persist: bool = False, tls: Certificates | None = None) -> None:
        super().__init__()
        self.persist = persist
        self.tls = tls

    @property
    def redis(self) -> str:
        """Address as a URL, ``redis://host:port/0``."""
        if self.tls:
            return f"rediss://{SASL_USER}:{SASL_PASSWORD}@{HOST}:{self.port}/0"
        return f"redis://{HOST}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """The server, on its port, without snapshots."""
        binary = _redis_binary()
        if binary is None:
            raise ServerError(missing_redis() or "no redis-server")
        return [
            binary, *self._doors(), "--bind", HOST, "--save", "",
            "--appendonly", "yes" if self.persist else "no", "--appendfsync", "everysec",
            "--dir", str(self.folder), "--daemonize", "no",
        ]  # fmt: skip

    def _doors(self) -> list[str]:
        if not self.tls:
            return ["--port", str(self.port)]
        return [
            "--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no",
            "--tls-cert-file", str(self.tls.certificate), "--tls-key-file", str(self.tls.key),
            "--tls-ca-cert-file", str(self.tls.authority),
            "--user", SASL_USER, "on", f">{SASL_PASSWORD}", "~*", "&*", "+@all", "--user", "default", "off",
        ]  # fmt: skip

    def answers(self) -> bool:
        """Whether it says PONG; behind TLS, that it wants to know who asks."""
        if not self.tls:
            return answers_redis(self.port)
        context = ssl.create_default_context(cafile=self.tls.authority)
        try:
            with (
                socket.create_connection((HOST, self.port), 1.0) as plain,
                context.wrap_socket(plain, server_hostname=HOST) as conn,
            ):
                conn.sendall(b"PING\r\n")
                return conn.recv(16).startswith(b"-NOAUTH")
        except OSError:
            return False
