"""Publishing a log, on real Kafka and on the embedded broker: routing, order, waiting, pacing, broken lines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from streamrank_client.answers import DeadLetter
from streamrank_client.errors import LogError, SettingsError, StreamrankError
from streamrank_client.events import Click, Delete, Event, Item, Query, decode_event, encode
from streamrank_client.following import following, records
from streamrank_client.logs import Line, write_lines
from streamrank_client.making import now
from streams.kafka.admin import create_topics
from streams.offline.publishing.publish_log import publish_log
from streams.offline.publishing.sending import CHUNK, chunks
from streams.settings import Settings
from tests.support.servers import Broker

START = 1_700_000_000_000


@pytest_asyncio.fixture
async def settings(broker: Broker) -> AsyncIterator[Settings]:
    """Settings of a deployment with topics of its own."""
    found = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=3, fetch_wait_ms=10 if broker.tansu else 200
    )
    await create_topics(found)
    yield found


@asynccontextmanager
async def catalogue_agent(settings: Settings, refuse: str = "") -> AsyncIterator[None]:
    """Does with items what a worker does: a catalogue record under each id, a dead letter for ``refuse``."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)

    async def work(consumer: object) -> None:
        async for record in records(consumer):
            if record.key.decode() == refuse:
                letter = DeadLetter(record.topic, 0, record.offset, "future", "time", "", record.key, record.value, 1)
                await producer.send_and_wait(settings.topic_prefix + "dead-letters", encode(letter), key=b"x")
            else:
                await producer.send_and_wait(settings.topic_prefix + "catalogue", b"entry", key=record.key)

    async with following(settings, settings.topic_prefix + "item-events") as consumer:
        await producer.start()
        task = asyncio.create_task(work(consumer))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await producer.stop()


async def stored(settings: Settings, topic: str, count: int) -> list[tuple[bytes | None, bytes]]:
    """The first ``count`` records of a topic, as key and value."""
    found: list[tuple[bytes | None, bytes]] = []
    async with following(settings, settings.topic_prefix + topic, from_start=True) as consumer, asyncio.timeout(20):
        async for record in records(consumer):
            found.append((record.key, record.value))
            if len(found) == count:
                break
    return found


def click(n: int, at: int = START) -> Click:
    """The n-th click."""
    return Click(event_id=f"e{n}", user_id=f"u{n % 5}", item_id="p1", time=at + n)


def log(path: Path, *lines: Event | bytes) -> Path:
    """A log of these lines."""
    write_lines(path / "day.jsonl.gz", [line if isinstance(line, bytes) else encode(line) for line in lines])
    return path / "day.jsonl.gz"


async def test_items_are_in_the_catalogue_before_the_first_event_is_sent(settings: Settings, tmp_path: Path) -> None:
    """Stages run one after another, and each user's events keep their order."""
    path = log(
        tmp_path, Item(time=START, item_id="p1"), *(click(n) for n in range(500)),
        Item(time=START + 500, item_id="p2"), Delete(time=START + 500, item_id="p9"),
        Query(time=START + 501, request_id="r1", user_id="u1"),
    )  # fmt: skip
    seen: list[tuple[str, int, int]] = []
    async with catalogue_agent(settings):
        summary = await publish_log(path, settings, progress=lambda *step: seen.append(step))
    assert (summary.items, summary.behaviors, summary.queries, summary.broken) == (3, 500, 1, 0)
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["items", "catalogue", "events"]
    assert ("catalogue", 2, 2) in seen
    assert seen[-1] == ("events", 501, 501)
    by_user: dict[bytes | None, list[int]] = {}
    for key, raw in await stored(settings, "behavior-events", 500):
        by_user.setdefault(key, []).append(decode_event(raw).time)
    assert sorted(len(times) for times in by_user.values()) == [100] * 5
    assert all(times == sorted(times) for times in by_user.values())
    assert [key for key, _ in await stored(settings, "query-events", 1)] == [b"u1"]


async def test_broken_lines_are_sent_as_they_are(settings: Settings, tmp_path: Path) -> None:
    """A broken line goes to its topic when its tag can be read, else to behavior-events, byte for byte."""
    broken = b'{"event":"click","user_id":"u1","time":"x"}'
    query = b'{"event":"query","request_id":"r1","time":-1}'
    garbage = b"\xff\xfe garbage"
    huge = b'{"event":"view","user_id":"u2","query":"' + b"x" * (2 << 20) + b'"}'
    path = log(tmp_path, broken, query, garbage, huge, b'{"event":"item","time":1}', b'{"event":"answer"}')
    summary = await publish_log(path, settings, wait=False)
    assert (summary.broken, summary.skipped, summary.behaviors) == (5, 1, 0)
    behaviors = await stored(settings, "behavior-events", 3)
    assert {raw for _, raw in behaviors} == {broken, garbage, huge}
    assert dict(zip((raw for _, raw in behaviors), (key for key, _ in behaviors), strict=True))[broken] == b"u1"
    assert await stored(settings, "query-events", 1) == [(b"r1", query)]
    assert await stored(settings, "item-events", 1) == [(b"", b'{"event":"item","time":1}')]


async def test_end_now_shifts_all_times_alike(settings: Settings, tmp_path: Path) -> None:
    """The newest event is now, distances stay, and nothing else changes."""
    path = log(tmp_path, click(0), click(1000), b"broken")
    before = now()
    summary = await publish_log(path, settings, end_now=True)
    found = {raw for _, raw in await stored(settings, "behavior-events", 3)} - {b"broken"}
    events = sorted((decode_event(raw) for raw in found), key=lambda event: event.time)
    assert events[1].time - events[0].time == 1000
    assert before <= events[1].time <= now()
    assert [msgspec.structs.replace(event, time=0) for event in events] == [
        msgspec.structs.replace(click(n), time=0) for n in (0, 1000)
    ]
    assert summary.shifted_ms == events[1].time - START - 1000


async def test_a_log_out_of_order_is_sorted(settings: Settings, tmp_path: Path) -> None:
    """Events are sent in time order all the same, and the summary says so."""
    path = log(tmp_path, *(Click(event_id=f"e{n}", user_id="u1", item_id="p", time=START + n) for n in (3, 1, 2)))
    summary = await publish_log(path, settings)
    times = [decode_event(raw).time - START for _, raw in await stored(settings, "behavior-events", 3)]
    assert times == [1, 2, 3]
    assert summary.unsorted == 2


async def test_a_refused_item_does_not_hold_up_the_rest(settings: Settings, tmp_path: Path) -> None:
    """An item that became a dead letter is not waited for."""
    path = log(tmp_path, Item(time=START, item_id="p1"), Item(time=START, item_id="far"), click(1))
    async with catalogue_agent(settings, refuse="far"):
        summary = await publish_log(path, settings, patience=15)
    assert (summary.refused, summary.behaviors) == (1, 1)


async def test_without_a_worker_publishing_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    """When no item arrives in the catalogue, the error names the command that would make it."""
    path = log(tmp_path, Item(time=START, item_id="p1"), click(1))
    with pytest.raises(StreamrankError, match=r"1 of 1 items.*streamrank serve"):
        await publish_log(path, settings, patience=0.5)


async def test_a_speed_paces_by_event_time(settings: Settings, tmp_path: Path) -> None:
    """Ten seconds of events at ten times real time take one second."""
    path = log(tmp_path, *(click(0, START + second * 1000) for second in range(11)))
    start = time.monotonic()
    await publish_log(path, settings, speed=10)
    assert 1.0 <= time.monotonic() - start < 6.0


async def test_missing_topics_and_logs_are_named(broker: Broker, tmp_path: Path) -> None:
    """Nothing is sent, and nothing is made, where the topics or the log are missing."""
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-")
    with pytest.raises(SettingsError, match="topics create"):
        await publish_log(log(tmp_path, click(1)), settings)
    with pytest.raises(LogError, match=r"no\.jsonl"):
        await publish_log(tmp_path / "no.jsonl", settings)


async def test_chunks_keep_every_line_in_order() -> None:
    """Chunks are bounded, and together they are the lines."""
    lines = [Line(n, b"{}") for n in range(CHUNK * 2 + 5)]
    found = [chunk async for chunk in chunks(lines, None)]
    assert [len(chunk) for chunk in found] == [CHUNK, CHUNK, 5]
    assert [line for chunk in found for line in chunk] == lines
