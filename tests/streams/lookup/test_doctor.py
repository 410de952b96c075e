"""The doctor: it finds what is wrong with real servers and artifacts, and never tells a secret."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from aiokafka import codec  # type: ignore[import-untyped]
from click.testing import CliRunner

from bench.servers import RealRedis
from streamrank_client.topics import topics
from streams.cli import main
from streams.kafka.admin import create_topics
from streams.lookup import doctor
from streams.lookup.doctor import Check, diagnose
from streams.settings import Settings
from tests.support.servers import Broker


def named(checks: list[Check], name: str) -> Check:
    """The one check of this name."""
    (found,) = [check for check in checks if check.name == name]
    return found


async def test_a_sound_deployment_has_no_fault(broker: Broker, redis_server: RealRedis) -> None:
    """Kafka, topics and Redis are ok when they are as declared."""
    settings = Settings(kafka=broker.kafka, redis=redis_server.redis, topic_prefix=broker.prefix + "-", partitions=2)
    await create_topics(settings)
    checks = await diagnose(settings)
    assert [named(checks, name).state for name in ("kafka", "topics", "redis", "redis memory")] == ["ok"] * 4
    assert "1 brokers" in named(checks, "kafka").message
    assert named(checks, "redis persistence").state == "warn"
    assert all(check.remedy for check in checks if check.state != "ok")


async def test_missing_topics_fail_with_the_command_that_makes_them(broker: Broker, redis_server: RealRedis) -> None:
    """Each missing topic is a line of its own."""
    settings = Settings(kafka=broker.kafka, redis=redis_server.redis, topic_prefix=broker.prefix + "-")
    checks = [check for check in await diagnose(settings) if check.name.startswith("topic ")]
    assert len(checks) == len(list(topics(settings.partitions)))
    assert {(check.state, check.message) for check in checks} == {("fail", "missing")}
    assert "streamrank topics create" in checks[0].remedy


async def test_servers_that_do_not_answer_are_faults_and_the_rest_is_still_checked() -> None:
    """Unreachable servers end nothing: the other checks follow, and no password is told."""
    settings = Settings(
        kafka="127.0.0.1:1", redis="redis://me:hush%21@127.0.0.1:1/0", redis_timeout_s=0.5, kafka_password="hush!"
    )
    checks = await diagnose(settings)
    assert named(checks, "kafka").state == "fail"
    assert "STREAMRANK_KAFKA" in named(checks, "kafka").remedy
    assert named(checks, "redis").state == "fail"
    assert "onnxruntime" in {check.name for check in checks}
    assert "hush" not in str(checks)


async def test_a_redis_that_lets_nobody_in_is_told_from_one_that_is_off(redis_server: RealRedis) -> None:
    """A wrong password names user and password; a server that is off does not."""
    wrong = redis_server.redis.replace("redis://", "redis://nobody:zq7wrong@")
    refused = named(await diagnose(Settings(kafka="127.0.0.1:1", redis=wrong)), "redis")
    off = named(await diagnose(Settings(kafka="127.0.0.1:1", redis="redis://me:zq7wrong@127.0.0.1:1/0")), "redis")
    assert "does not let this user in" in refused.message
    assert refused.remedy == "check user and password in STREAMRANK_REDIS"
    assert "does not let this user in" not in off.message
    assert off.remedy == "check STREAMRANK_REDIS, and that the server runs"
    assert "zq7wrong" not in f"{refused} {off}"


async def test_clocks_that_differ_are_told(redis_server: RealRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis's is this machine's here; one that is two seconds off is a warning, whichever way."""
    settings = Settings(kafka="127.0.0.1:1", redis=redis_server.redis)
    assert named(await diagnose(settings), "redis clock").state == "ok"
    clock = time.time
    for seconds, words in ((2.0, "2.0 s behind"), (-2.0, "2.0 s ahead of")):
        monkeypatch.setattr("streams.lookup.redis_checks.time.time", lambda by=seconds: clock() + by)
        check = named(await diagnose(settings), "redis clock")
        assert (check.state, check.message) == ("warn", f"{words} this machine's")
        assert "NTP" in check.remedy


async def test_codecs_that_cannot_be_read_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """All four can; without the package that reads them the doctor names it."""
    assert [check.state for check in doctor._codecs()] == ["ok"]
    monkeypatch.setattr(codec, "cramjam", None)
    (check,) = doctor._codecs()
    assert (check.state, check.message) == ("fail", "snappy, lz4, zstd cannot be read")
    assert "cramjam" in check.remedy


async def test_an_eviction_policy_that_loses_state_is_told(redis_server: RealRedis) -> None:
    """maxmemory with eviction is a fault."""
    with redis.Redis.from_url(redis_server.redis) as client:
        client.config_set("maxmemory", "500mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            checks = await diagnose(Settings(kafka="127.0.0.1:1", redis=redis_server.redis))
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")
    assert named(checks, "redis memory").state == "fail"
    assert "noeviction" in named(checks, "redis memory").remedy


async def test_two_onnxruntime_wheels_at_once_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both wheels own one import package; the doctor says to remove both."""
    monkeypatch.setattr(doctor, "version", lambda wheel: "1.0")
    (check,) = doctor._wheels()
    assert check.state == "fail"
    assert "uninstall both" in check.remedy


async def test_a_missing_artifact_fails_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that lies nowhere is a fault that names the command to build it."""
    monkeypatch.setattr("streams.artifacts.opening.DATA", tmp_path)
    checks = list(doctor._models(replace(Settings(), artifacts=str(tmp_path))))
    assert {check.name for check in checks} == {"artifact encoder", "artifact intent", "artifact ranker"}
    assert {check.state for check in checks} == {"fail"}
    assert all("streamrank artifact build" in check.remedy for check in checks)


async def test_an_experiment_is_read_as_a_worker_would(tmp_path: Path) -> None:
    """Its arms and shares where it is sound; the file's error where it is not; nothing without one."""
    path = tmp_path / "home.toml"
    settings = Settings(kafka="127.0.0.1:1", redis="redis://127.0.0.1:1/0", experiment=str(path))
    path.write_text('name = "home"\n[arms.control]\nshare = 0.4\n[arms.b]\nshare = 0.6\nsettings = { epsilon = 0.5 }')
    sound = named(await diagnose(settings), "experiment")
    assert (sound.state, sound.message) == ("ok", "home: control 40%, b 60%, on all surfaces")
    path.write_text(path.read_text().replace("0.5", "5"))
    wrong = named(await diagnose(settings), "experiment")
    assert wrong.state == "fail"
    assert f"{path}: [arms.b] settings.epsilon='5': expected a number from 0 to 1" in wrong.message
    assert "STREAMRANK_EXPERIMENT" in wrong.remedy
    none = await diagnose(replace(settings, experiment=""))
    assert "experiment" not in {check.name for check in none}


async def test_a_replication_that_the_brokers_cannot_give_is_a_warning(broker: Broker) -> None:
    """Three replicas on one broker are told before `topics create` fails."""
    checks = await diagnose(Settings(kafka=broker.kafka, redis="redis://127.0.0.1:1/0", replication=3))
    assert named(checks, "kafka").state == "warn"
    assert "STREAMRANK_REPLICATION" in named(checks, "kafka").remedy


async def test_the_command_ends_with_1_when_something_fails() -> None:
    """`doctor --json` prints every check; a fault is exit code 1."""
    env = {"STREAMRANK_KAFKA": "127.0.0.1:1", "STREAMRANK_REDIS": "redis://127.0.0.1:1/0"}
    result = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--json"], env=env)
    assert result.exit_code == 1
    assert {check["state"] for check in json.loads(result.stdout)} >= {"fail"}
