"""What `ask`, `consume` and `publish` say to people: titles, waiting, one header, fields that are none."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from click.testing import CliRunner, Result

from bench.servers import RealRedis
from state import keys
from state.item_times import ItemTimes, encode
from state.store import Store
from streamrank_client.answers import Answer, AnswerItem, DeadLetter
from streamrank_client.events import Item
from streamrank_client.events import encode as encode_event
from streamrank_client.partitioner import partition_for
from streams.cli import main
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST
from streams.settings import Settings
from tests.support.echo_worker import answering
from tests.support.servers import Broker, flush
from tests.support.transport_apps import until

TITLE = "Oolong tea from the high mountains"


def call(*arguments: str, env: dict[str, str]) -> Result:
    """Run the command line in this process."""
    return CliRunner().invoke(main, arguments, env=env, catch_exceptions=False)


def variables(settings: Settings) -> dict[str, str]:
    """What points a command to a deployment."""
    named = {"KAFKA": settings.kafka, "REDIS": settings.redis, "TOPIC_PREFIX": settings.topic_prefix}
    named |= {"PARTITIONS": str(settings.partitions), "FETCH_WAIT_MS": str(settings.fetch_wait_ms)}
    return {f"STREAMRANK_{name}": value for name, value in named.items()}


async def titled(broker: Broker, redis: RealRedis) -> Settings:
    """A deployment of two partitions that holds an item `tea` with a title."""
    settings = Settings(
        kafka=broker.kafka, redis=redis.redis, topic_prefix=broker.prefix + "-", partitions=2, fetch_wait_ms=10
    )
    flush(redis.redis)
    await create_topics(settings)
    held, store = ItemTimes(), Store(redis.redis)
    held.put(5, encode_event(Item(item_id="tea", time=5, title=TITLE)))
    await store.write([(keys.item_times(partition_for(b"tea", 2), "tea"), encode(held))])
    await store.close()
    return settings


async def test_an_answer_is_shown_with_titles(broker: Broker, redis_server: RealRedis) -> None:
    """Of what Redis holds; without Redis the answer is shown as it is."""
    settings = await titled(broker, redis_server)
    env = variables(settings)
    async with answering(settings):
        shown = await asyncio.to_thread(call, "ask", "--text", "tea", env=env)
        env["STREAMRANK_REDIS"] = "redis://127.0.0.1:1/0"
        alone = await asyncio.to_thread(call, "ask", "--text", "tea", env=env)
    assert (shown.exit_code, alone.exit_code) == (0, 0), shown.output + alone.output
    assert TITLE in shown.stdout
    assert "tea" in alone.stdout
    assert "title" not in alone.stdout


async def test_what_is_followed_has_titles_and_one_header_a_kind(broker: Broker, redis_server: RealRedis) -> None:
    """Three answers under one header, and then dead letters under theirs; stderr says what is waited for."""
    settings = await titled(broker, redis_server)
    letter = DeadLetter("query-events", 1, 7, "invalid", "limit", "too many", b"u", b"{}", 2)
    answers = [Answer(time=5, request_id=f"r{n}", items=[AnswerItem("tea", 1.0, 1.0, ["text"])]) for n in range(3)]
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
        for value in (*map(encode_event, answers), encode_event(letter), encode_event(letter)):
            await producer.send_and_wait(settings.topic_prefix + "recommendations", value, partition=0)
    shown = await asyncio.to_thread(call, "consume", "--from-start", "--limit", "5", env=variables(settings))
    assert shown.exit_code == 0
    headers = [line.split()[0] for line in shown.stdout.splitlines() if re.match(r" +(#|topic) +┃", line)]
    assert headers == ["#", "topic"]
    assert shown.stdout.count(TITLE.split()[0]) == 3
    assert shown.stdout.count("too many") == 2
    (said,) = shown.stderr.splitlines()
    assert said == f"waits for records of {settings.topic_prefix}recommendations from the oldest one on; Ctrl-C ends it"


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections, and says nothing."""
    with socket.create_server((HOST, 0)) as listener:
        yield f"{HOST}:{listener.getsockname()[1]}"


def test_ask_takes_no_longer_than_its_timeout(silent: str) -> None:
    """Connecting to a Kafka that says nothing is part of it."""
    env = {"STREAMRANK_KAFKA": silent}
    began = monotonic()
    result = call("ask", "--text", "tea", "--timeout", "1", env=env)
    seconds = monotonic() - began
    assert result.exit_code == 2
    assert f"Kafka at {silent} did not answer within 1 s: check STREAMRANK_KAFKA" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert 0.9 < seconds < 1.9


def test_ask_refuses_names_that_no_query_has() -> None:
    """With --strict, before anything is sent; the nearest name is told."""
    result = call("ask", "--attribute", 'size={"mn":3}', "--strict", env={"STREAMRANK_KAFKA": "127.0.0.1:1"})
    assert result.exit_code == 2
    assert "filters.attributes.size.mn: no such field: did you mean min?" in result.stderr


async def test_publish_refuses_a_log_with_fields_that_no_event_has(broker: Broker, tmp_path: Path) -> None:
    """With --strict nothing is sent, and lines are named; without it the log is published."""
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2, fetch_wait_ms=10)
    await create_topics(settings)
    log = tmp_path / "day.jsonl"
    log.write_text(
        '{"event":"query","request_id":"r1","time":1,"text":"tea"}\nbroken\n'
        '{"event":"query","request_id":"r2","time":1,"txt":"tea"}\n'
    )
    env = variables(settings)
    strict = await asyncio.to_thread(call, "publish", str(log), "--strict", env=env)
    assert strict.exit_code == 2
    assert f"'{log}': line 3: txt: no such field: did you mean text?: mend them" in strict.stderr.replace("\n", "")
    async with answering(settings) as queries:
        plain = await asyncio.to_thread(call, "publish", str(log), env=env)
        await until(lambda: bool(queries))
    assert plain.exit_code == 0
    assert "2 queries" in plain.stdout
