"""What tests of faults share: a log and its state, queries whose answers are counted, moments of readiness."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from time import monotonic

from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete  # type: ignore[import-untyped]

from streamrank_client.answers import Answer, decode_answer
from streamrank_client.client import Client
from streamrank_client.events import Query, encode
from streamrank_client.following import following
from streamrank_client.topics import topics
from streams.offline.replay import replay
from streams.settings import Settings
from tests.integration.test_exactness import EXACT, integers
from tests.support.proxy import Proxy
from tests.support.small_log import START, WORDS, Size, behaviors, items, lines
from tests.support.worker_process import WorkerProcess, stored

SIZE = Size(users=200, items=80, behaviors=6_000)
#: where a few batches will do
SMALL = Size(users=200, items=80, behaviors=2_000)
#: when queries are asked: after all behaviour
DAY_LATER = START + 86_400_000


def log(size: Size = SIZE) -> list[bytes]:
    """Items, then behaviours."""
    return [encode(event) for event in [*items(size.items), *behaviors(size)]]


async def assert_as_replayed(settings: Settings, raw: Sequence[bytes], smooth: Settings) -> None:
    """The state is that of a replay of the same log."""
    await replay(lines(raw), smooth, smooth.redis)
    assert stored(settings.redis, *EXACT) == stored(smooth.redis, *EXACT)
    assert integers(settings.redis) == integers(smooth.redis)


async def differing(settings: Settings, raw: Sequence[bytes], smooth: Settings) -> list[str]:
    """The keys whose exact values are not those of a replay of the same log."""
    await replay(lines(raw), smooth, smooth.redis)
    found, wanted = stored(settings.redis, *EXACT), stored(smooth.redis, *EXACT)
    counts, wanted_counts = integers(settings.redis), integers(smooth.redis)
    names = [name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)]
    names += [n for n in counts.keys() | wanted_counts.keys() if counts.get(n) != wanted_counts.get(n)]
    return sorted(name.decode(errors="replace") for name in names)


def proxied(settings: Settings, proxy: Proxy) -> Settings:
    """The same with Redis behind a proxy."""
    return replace(settings, redis=settings.redis.replace(f":{proxy.target}/", f":{proxy.port}/"))


def told(fault: str, **figures: object) -> None:
    """A line with what was measured, shown by `pytest -s`: the figures of docs/reliability.md."""
    print(json.dumps({"fault": fault, **figures}, default=str))


async def until_readiness(worker: WorkerProcess, status: int, timeout: float = 30.0) -> tuple[float, list[str]]:
    """Wait until /ready has a status; the seconds it took, and the reasons given then."""
    began = monotonic()
    while True:
        found, reasons = await asyncio.to_thread(worker.readiness)
        if found == status:
            return round(monotonic() - began, 2), reasons
        assert monotonic() - began < timeout, f"/ready is {found} after {timeout} s, not {status}: {reasons}"
        await asyncio.sleep(0.05)


async def until(true: Callable[[], bool], what: str, timeout: float = 30.0) -> float:
    """Wait until ``true()`` holds; the seconds it took."""
    began = monotonic()
    while not await asyncio.to_thread(true):
        assert monotonic() - began < timeout, f"{what} is not so after {timeout} s"
        await asyncio.sleep(0.05)
    return round(monotonic() - began, 2)


async def trim(settings: Settings, topic: str) -> None:
    """Have Kafka drop all records of a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        everything = {TopicPartition(topic, p): RecordsToDelete(before_offset=-1) for p in range(settings.partitions)}
        await admin.delete_records(everything)
    finally:
        await admin.close()


class Asking:
    """Queries that were asked, and every answer that came: ``times`` counts answers by request id."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: dict[str, float] = {}
        self.times: Counter[str] = Counter()
        self.last: dict[str, Answer] = {}
        self.slowest_s = 0.0

    async def ask(self, count: int) -> list[str]:
        """Ask so many queries of as many users at once; their request ids."""
        texts = [text for some in WORDS.values() for text in some]
        first = len(self.asked)
        queries = [
            Query(time=DAY_LATER + n, request_id=f"ask{n}", user_id=f"u{n % SIZE.users}", text=texts[n % len(texts)])
            for n in range(first, first + count)
        ]
        self.asked |= dict.fromkeys((query.request_id for query in queries), monotonic())
        await self._client.publish_many(queries)
        return [query.request_id for query in queries]

    def take(self, answer: Answer) -> None:
        """An answer has come."""
        if answer.request_id in self.asked:
            self.times[answer.request_id] += 1
            self.last[answer.request_id] = answer
            self.slowest_s = max(self.slowest_s, monotonic() - self.asked[answer.request_id])

    async def answered(self, timeout: float = 30.0) -> None:
        """Return once all that was asked is answered."""
        await until(lambda: len(self.times) == len(self.asked), "each query answered", timeout)

    @property
    def twice(self) -> int:
        """How many answers were given again."""
        return sum(self.times.values()) - len(self.times)

    def degraded(self, ids: Sequence[str]) -> list[str]:
        """Those of these whose answer says that it is degraded."""
        return [one for one in ids if self.last[one].degraded]


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[Asking]:
    """Ask of a deployment, and read all its answers meanwhile."""
    name = topics(settings.partitions, settings.topic_prefix).recommendations.name
    async with AsyncExitStack() as stack:
        consumer = await stack.enter_async_context(following(settings, name))
        found = Asking(await stack.enter_async_context(Client(settings=settings)))

        async def read() -> None:
            async for record in consumer:
                found.take(decode_answer(record.value))

        reading = asyncio.create_task(read())
        try:
            yield found
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
