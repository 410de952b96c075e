"""Retraining on real Kafka and Redis: a ranker that is not better changes nothing, a better one answers unasked."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic

from bench.servers import RealKafka, RealRedis
from streamrank_client.answers import Answer
from streamrank_client.client import Client
from streamrank_client.events import encode
from streams.kafka.admin import create_topics
from streams.settings import Settings
from tests.support.small_log import items
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled

DB = 7
EVERY = 160


async def click(settings: Settings, count: int, choose: Callable[[Answer], int], first: int = 0) -> None:
    """Ask for ``count`` home feeds of forty users, eight at a time, and click one item of each."""
    async with Client(settings=settings) as client:

        async def one(number: int) -> None:
            user = f"u{number % 40}"
            answer = await client.ask(user, timeout=30)
            place = choose(answer)
            item = answer.items[place].item_id
            await client.event("click", user_id=user, item_id=item, request_id=answer.request_id, position=place)

        for start in range(first, first + count, 8):
            await asyncio.gather(*map(one, range(start, min(start + 8, first + count))))
    await settled(settings)


def ended(worker: WorkerProcess, *outcomes: str) -> float:
    """How many retrainings ended with one of these outcomes."""
    return sum(worker.metric(f'streamrank_retrainings_total{{outcome="{one}"}}') for one in outcomes)


async def until_done(worker: WorkerProcess, count: int) -> None:
    """Wait until so many retrainings have ended, none of them failed."""
    deadline = monotonic() + 400
    while ended(worker, "better", "kept") < count:
        assert monotonic() < deadline, f"no {count} retrainings ended in 400 s: {worker.log[-2_000:]}"
        assert ended(worker, "failed") == 0, worker.log[-2_000:]
        await asyncio.sleep(0.1)


def test_a_ranker_is_replaced_when_a_retrained_one_is_better_and_only_then(
    kafka: RealKafka, redis_server: RealRedis, own_artifacts: Path, tmp_path: Path
) -> None:
    """Clicks at random teach nothing: the ranker stays. Clicks on the dearest item do: answers name a new ranker, in
    the same process. A restart between loses no feedback of the count."""
    artifacts = tmp_path / "artifacts"
    shutil.copytree(own_artifacts, artifacts, symlinks=True)
    settings = deployment(
        kafka, redis_server, f"again{uuid.uuid4().hex[:8]}", DB,
        artifacts=str(artifacts), retrain_every=EVERY, online=False,
    )  # fmt: skip
    asyncio.run(create_topics(settings))
    random = Random(3)

    def dearest(answer: Answer) -> int:
        return max(range(len(answer.items)), key=lambda n: int(answer.items[n].item_id[1:]) % 50)

    async def answers_as() -> str:
        async with Client(settings=settings) as client:
            return (await client.ask("u1", timeout=30)).artifact

    with WorkerProcess(settings) as worker:
        asyncio.run(publish_lines([encode(item) for item in items()], settings, tmp_path))
        first = asyncio.run(answers_as())
        asyncio.run(click(settings, EVERY - 40, lambda answer: random.randrange(len(answer.items))))
        assert "a ranker is retrained" not in worker.log
        assert worker.terminate() == 0
        worker.restart()
        asyncio.run(click(settings, 40, lambda answer: random.randrange(len(answer.items)), EVERY))
        asyncio.run(until_done(worker, 1))
        assert ended(worker, "kept") == 1
        assert asyncio.run(answers_as()) == first
        pid = worker.pid

        # the newest lists judge: a ranker that is to be better on them must have been trained on some of their kind
        for batch in (2, 3):
            asyncio.run(click(settings, EVERY, dearest, batch * EVERY))
            asyncio.run(until_done(worker, batch))
        assert ended(worker, "better") >= 1
        deadline = monotonic() + 30
        while (found := asyncio.run(answers_as())) == first:
            assert monotonic() < deadline, f"{found} still answers 30 s after a better ranker was trained"
        assert worker.pid == pid
        assert ended(worker, "kept", "better") == 3
