"""An experiment on real servers: workers agree on arms, restart or not, and the report reads what they published."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from click.testing import CliRunner

from bench.servers import RealKafka, RealRedis
from streamrank_client.answers import Answer, AnswerItem
from streamrank_client.client import Client
from streamrank_client.events import encode
from streamrank_client.making import behavior
from streamrank_client.topics import topics
from streams.cli import main
from streams.kafka.admin import create_topics
from streams.offline.experiments.joining import Join
from streams.offline.experiments.reading import read_topics
from streams.policy.experiment_file import load_experiment
from streams.settings import Settings, variable
from tests.support.servers import Broker
from tests.support.small_log import START, items
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled

FILE = 'name = "trial"\n[arms.control]\nshare = 0.5\n[arms.other]\nshare = 0.5\nsettings = { epsilon = 1.0 }\n'
USERS = [f"user{n}" for n in range(24)]


async def test_topics_are_read_to_their_end_on_both_brokers(broker: Broker) -> None:
    """600 answers and 600 clicks on three of four partitions, some clicks published before their answers: all are
    joined, though a partition is empty and the end of another comes in a later batch."""
    settings = Settings(
        kafka=broker.kafka, topic_prefix=f"{broker.prefix}-", partitions=4, fetch_wait_ms=broker.fetch_max_wait_ms
    )
    await create_topics(settings)
    named = topics(4, settings.topic_prefix)
    producer = AIOKafkaProducer(bootstrap_servers=broker.kafka)
    await producer.start()
    try:
        for n in range(600):
            user, partition = f"u{n % 30}", n % 30 % 3
            given: dict[str, object] = {"user_id": user, "item_id": "p1", "request_id": f"r{n}"}
            click = encode(behavior("click", event_id=f"e{n}", time=START + n + 40, **given))
            arm = ("control", "other")[n % 30 % 2]
            answer = encode(
                Answer(
                    time=START + n, request_id=f"r{n}", user_id=user, experiment="trial", arm=arm,
                    items=[AnswerItem("p1", 1.0, 1.0)],
                )
            )  # fmt: skip
            for topic, raw in ((named.behavior_events.name, click), (named.recommendations.name, answer)):
                await producer.send_and_wait(topic, raw, key=user.encode(), partition=partition)
    finally:
        await producer.stop()
    join = Join("trial", 3_600_000)
    done: list[tuple[int, int]] = []
    await asyncio.wait_for(read_topics(settings, join, lambda one, total: done.append((one, total))), 60)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (join.counted.answers, join.counted.events, join.counted.unmatched) == (600, 600, 0)
    assert {arm: len(users) for arm, users in join.users.items()} == {"control": 15, "other": 15}


async def _shop(settings: Settings, clicks: bool) -> dict[str, str]:
    """The arm of each user's answer; with clicks, each clicks the first item."""
    arms: dict[str, str] = {}
    async with Client(settings=settings) as client:
        for user in USERS:
            answer = await client.ask(user, limit=3, timeout=30)
            assert answer.experiment == "trial"
            arms[user] = answer.arm
            if clicks:
                given = {"item_id": answer.items[0].item_id, "request_id": answer.request_id}
                await client.event("click", user_id=user, **given)
    return arms


def test_users_keep_their_arms_across_workers_and_restarts_and_the_report_counts_what_they_did(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers share the partitions, one is killed, another starts: the arms are those of the file, throughout;
    the metrics of the worker that saw the clicks and `streamrank experiment` count them."""
    (tmp_path / "trial.toml").write_text(FILE)
    path = str(tmp_path / "trial.toml")
    settings = deployment(kafka, redis_server, topic_prefix, 5, experiment=path, after_wait_ms=2_000)
    found = load_experiment(path, settings)
    expected = {user: found.arm(user).name for user in USERS}
    assert set(expected.values()) == {"control", "other"}
    asyncio.run(create_topics(settings))
    with ExitStack() as stack:
        first = stack.enter_context(WorkerProcess(settings))
        asyncio.run(publish_lines([encode(item) for item in items()], settings, tmp_path))
        assert asyncio.run(_shop(settings, clicks=True)) == expected
        asyncio.run(settled(settings))
        for arm in ("control", "other"):
            labels = f'{{arm="{arm}",experiment="trial"}}'
            asked = list(expected.values()).count(arm)
            assert first.metric(f"streamrank_arm_answers_total{labels}") == asked
            assert first.metric(f"streamrank_arm_items_total{labels}") == 3 * asked
            clicks = f'streamrank_arm_outcomes_total{{arm="{arm}",experiment="trial",kind="click"}}'
            assert first.metric(clicks) == asked
        second = stack.enter_context(WorkerProcess(settings))
        assert asyncio.run(_shop(settings, clicks=False)) == expected
        first.kill9()
        assert asyncio.run(_shop(settings, clicks=False)) == expected
        assert second.metric("streamrank_catalogue_items") == len(items())
    for f in fields(Settings):
        if getattr(settings, f.name) != f.default:
            monkeypatch.setenv(variable(f.name), str(getattr(settings, f.name)))
    result = CliRunner().invoke(main, ["experiment", "trial", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    for arm, totals in report["totals"].items():
        count = list(expected.values()).count(arm)
        assert (totals["users"], totals["clicks"], totals["answers_clicked"]) == (count, count, count)
        assert totals["answers"] == 3 * count
    assert report["counted"]["moved"] == 0
