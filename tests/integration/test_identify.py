"""Visitors log in, on real Kafka and Redis: workers killed in mid-stream neither lose a history nor count one twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

import numpy as np

from bench.servers import RealKafka, RealRedis
from state.records import BOUGHT, DISLIKED
from streamrank_client.client import Client
from streamrank_client.events import BehaviorEvents, Click, Dislike, Identify, Purchase, encode
from streams.kafka.admin import create_topics
from streams.offline.publishing.publish_log import publish_log
from streams.offline.replay import replay
from tests.support.small_log import START, items, lines
from tests.support.worker_process import (
    WorkerProcess,
    deployment,
    known_to,
    progress,
    publish_lines,
    serving,
    settled,
    stored,
)

VISITORS, ACCOUNTS = 240, 60
#: rows whose order is that in which histories of several partitions came
ROWS: Final = {b"own": BOUGHT, b"dis": DISLIKED}


def state(url: str) -> dict[bytes, object]:
    """Contexts byte for byte; what was bought and disliked by its rows."""
    return {
        key: sorted(np.frombuffer(value, ROWS[key[:3]]).tolist()) if key[:3] in ROWS else value
        for key, value in stored(url, "ctx:*", "own:*", "dis:*").items()
    }


def history() -> list[BehaviorEvents]:
    """Visitors act, and log in as one of a few accounts, which go on; all within an hour, in the order of time."""
    random = Random(5)
    found: list[BehaviorEvents] = []

    def acts(user: str, count: int) -> None:
        for _ in range(count):
            kind = random.choice((Click, Click, Click, Purchase, Dislike))
            number = len(found)
            item = f"p{random.randrange(40)}"
            found.append(kind(time=START + 1_000 * number, event_id=f"e{number}", user_id=user, item_id=item))

    for visitor in range(VISITORS):
        account = f"account{visitor % ACCOUNTS}"
        acts(f"visitor{visitor}", 6)
        at = START + 1_000 * len(found)
        found.append(Identify(time=at, event_id=f"in{visitor}", user_id=account, anonymous_id=f"visitor{visitor}"))
        acts(account, 2)
    return found


async def test_logins_count_once_whatever_is_killed(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """kill -9 at three moments: every context, purchase and dislike is that of a replay."""
    settings = deployment(kafka, redis_server, topic_prefix, 1, batch_records=20)
    await create_topics(settings)
    events = history()
    raw = [encode(item) for item in items(40)]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(encode(event) for event in events) + b"\n")
    topic = settings.topics.behavior_events.name
    random = Random(3)
    with WorkerProcess(settings) as worker:
        await publish_lines(raw, settings, tmp_path, worker.items)
        publishing = asyncio.create_task(publish_log(path, settings))
        for share in (0.2, 0.5, 0.8):
            deadline = monotonic() + 60
            while progress(settings, topic) < share * len(events):
                assert monotonic() < deadline
                await asyncio.sleep(0.005)
            await asyncio.sleep(random.uniform(0, 0.03))
            worker.kill9()
            await asyncio.to_thread(worker.restart)
        await publishing
        await settled(settings)
        await settled(settings)  # what the last logins led to
        assert worker.terminate() == 0
    smooth = deployment(kafka, redis_server, topic_prefix, 2)
    await replay(lines([*raw, *(encode(event) for event in events)]), smooth, smooth.redis)
    assert state(settings.redis) == state(smooth.redis)
    assert sum(key.startswith(b"ctx:") for key in state(settings.redis)) == VISITORS + ACCOUNTS


async def test_the_next_answer_after_a_login_knows_what_the_visitor_did(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """By the client: the account's answer has the visitor's events among its features; the visitor's has none."""
    settings = deployment(kafka, redis_server, topic_prefix, 3, after_wait_ms=5_000)
    await create_topics(settings)
    async with serving(settings) as worker:
        await publish_lines([encode(item) for item in items(40)], settings, tmp_path, lambda: known_to(worker)())
        async with Client(settings=settings) as client:
            for item in ("p1", "p1", "p2"):
                await client.event("click", user_id="visitor", item_id=item)
            await client.identify("account", "visitor")
            await settled(settings)
            await settled(settings)
            seen = {}
            for user in ("account", "visitor"):
                answer = await client.ask(user, candidates=["p1", "p2", "p3"], explain=True, timeout=20)
                seen[user] = {item.item_id: (item.features or {}).get("own_events", 0) for item in answer.items}
            assert seen["account"] == {"p1": 2, "p2": 1, "p3": 0}
            assert seen["visitor"] == {"p1": 0, "p2": 0, "p3": 0}
            assert client.last_place("account") is None
