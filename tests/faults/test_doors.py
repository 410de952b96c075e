"""Doors: Kafka by SASL_SSL and Redis by TLS, with user and password; who is not let in is told so in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.servers import SASL_PASSWORD, SASL_USER, Certificates, RealKafka, RealRedis, missing
from streamrank_client.client import Client
from streamrank_client.errors import Unavailable
from streamrank_client.events import encode
from streams.kafka.admin import create_topics
from streams.lookup.doctor import diagnose
from streams.offline.building.artifacts import ensure_encoders
from streams.offline.servers import HOST
from streams.settings import Settings, checkout
from tests.support.certificates import make_certificates, missing_openssl
from tests.support.servers import need
from tests.support.small_log import items
from tests.support.worker_process import WorkerProcess, publish_lines

pytestmark = pytest.mark.servers
#: secrets of these tests: nothing else has such a text
TOKEN, WRONG = "zq7hidden-token", "zq7hidden-wrong"
SECRETS = (SASL_PASSWORD, TOKEN, WRONG)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A server's certificate, and the authority that signed it."""
    need(missing_openssl())
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[Settings]:
    """A deployment on a Kafka and a Redis that let nobody in without TLS and a password."""
    need(missing())
    ensure_encoders(Settings())
    with RealKafka(tls=certificates) as kafka, RealRedis(tls=certificates) as redis:
        yield Settings(
            kafka=f"{HOST}:{kafka.secured_port}", kafka_security="SASL_SSL", kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_username=SASL_USER, kafka_password=SASL_PASSWORD, kafka_ca=str(certificates.authority),
            redis=redis.redis, redis_ca=str(certificates.authority), partitions=2, fetch_wait_ms=50, device="cpu",
            operator_token=TOKEN,
        )  # fmt: skip


def streamrank(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these settings."""
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments], capture_output=True, text=True, timeout=120, check=False,
        cwd=checkout(), env=dict(WorkerProcess(settings).environment()),
    )  # fmt: skip


def assert_nothing_secret(*texts: str) -> None:
    """None of the secrets is in what was said."""
    for secret in SECRETS:
        assert not any(secret in text for text in texts)


async def test_a_worker_answers_over_tls_with_passwords(secured: Settings, tmp_path: Path) -> None:
    """From the topics to an answer that has seen a click; what it says and shows has no secret in it."""
    await create_topics(secured)
    with WorkerProcess(replace(secured, after_wait_ms=5_000)) as worker:
        await publish_lines([encode(item) for item in items(20)], secured, tmp_path)
        async with Client(settings=secured) as client:
            place = await client.event("click", user_id="u1", item_id="p3")
            answer = await client.ask("u1", text="milk", timeout=60)
        said = [worker.page(name) or "" for name in ("ready", "health", "metrics")]
        assert all(said)
        checks = await diagnose(secured)
        shown = streamrank(secured, "doctor")
        assert worker.terminate() == 0
        log = worker.log
    assert answer.items
    assert answer.error is None
    assert answer.seen is not None
    assert answer.seen.offset >= place.offset
    assert [check.name for check in checks if check.state == "fail"] == []
    assert "(SASL_SSL)" in shown.stdout
    assert_nothing_secret(*said, log, repr(checks), shown.stdout, shown.stderr)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"kafka_password": WRONG},
            "does not let user 'shop' in: check STREAMRANK_KAFKA_USERNAME",
        ),
        (
            {"kafka_ca": ""},
            "shows a certificate that is not trusted (unable to get local issuer certificate)",
        ),
        (
            {"redis": ""},
            "does not let this user in (invalid username-password pair or user is disabled)",
        ),
        ({"redis_ca": ""}, "shows a certificate that is not trusted: check STREAMRANK_REDIS_CA"),
    ],
    ids=["Kafka's password", "Kafka's authority", "Redis's password", "Redis's authority"],
)
def test_a_worker_that_is_not_let_in_says_so_in_one_line(secured: Settings, change: dict[str, str], line: str) -> None:
    """With the exit code of what the operator can mend, without a traceback, and without a secret."""
    if "redis" in change:
        change = {"redis": secured.redis.replace(SASL_PASSWORD, WRONG)}
    done = streamrank(replace(secured, **change), "serve")  # type: ignore[arg-type]
    assert done.returncode == 2, done.stderr
    (said,) = [one for one in done.stderr.splitlines() if one.strip()]
    assert line in said
    assert_nothing_secret(done.stdout, done.stderr)


async def test_commands_and_the_doctor_tell_of_a_wrong_password_too(secured: Settings) -> None:
    """The reason is Kafka's and Redis's own, with what to check."""
    wrong = replace(secured, kafka_password=WRONG, redis=secured.redis.replace(SASL_PASSWORD, WRONG))
    with pytest.raises(Unavailable, match=r"does not let user 'shop' in: check STREAMRANK_KAFKA_USERNAME"):
        await create_topics(wrong)
    checks = {check.name: check for check in await diagnose(wrong)}
    assert "does not let user 'shop' in" in checks["kafka"].message
    assert "STREAMRANK_KAFKA_PASSWORD" in checks["kafka"].remedy
    assert "invalid username-password pair" in checks["redis"].message
    assert_nothing_secret(repr(checks))


def test_a_fault_of_ours_shows_no_secret_in_its_traceback(secured: Settings) -> None:
    """Whatever an exception carries, tracebacks and all that is printed go through one function."""
    code = (
        "import click, streams.cli as cli\n"
        "@click.command()\n"
        "def broken():\n"
        "    from streams.settings import load\n"
        "    settings = load()\n"
        "    print(settings.kafka_password)\n"
        "    raise ValueError(settings.redis, settings.operator_token, settings.as_environment())\n"
        "cli.main.add_command(broken)\n"
        "cli.Lazy.get_command = lambda self, ctx, name: broken\n"
        "cli.main(['--debug', 'broken'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=checkout(),
        env=dict(WorkerProcess(secured).environment()),
    )  # fmt: skip
    assert "Traceback" in done.stderr
    assert "***" in done.stdout
    assert_nothing_secret(done.stdout, done.stderr)
