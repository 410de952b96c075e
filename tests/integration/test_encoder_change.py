"""A worker with another encoder takes over the Redis and the topics of the one before, and is killed amid its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from bench.servers import RealKafka, RealRedis
from models.items.entries import Entry
from models.text.encoder import Encoder
from state import contexts, keys
from state.records import CONTEXT
from streamrank_client.client import Client
from streamrank_client.events import Click, encode
from streamrank_client.kafka_options import kafka_options
from streamrank_client.partitioner import partition_for
from streamrank_client.vocabulary import FIRST_ENCODER
from streams.artifacts import records
from streams.artifacts.opening import artifact_path
from streams.artifacts.records import ItemRecord
from streams.kafka.admin import create_topics
from streams.kafka.broadcast import BroadcastReader
from streams.settings import Settings
from tests.support.composing import SETTINGS, opened
from tests.support.small_log import START, Size, behaviors, items
from tests.support.worker_process import WorkerProcess, deployment, publish_lines, settled, stored

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

#: enough to be killed amid them
ITEMS = 800
LEFT = "streamrank_items_to_encode"
#: what no encoder has a say in
KEPT = ("cnt:*", "cov:*", "qc:*", "own:*", "dis:*", "trend:*", "ctr:*", "ids:*", "item:*", "wm:*")


def use(folder: Path, encoder: str) -> None:
    """Have the workers of an artifacts' folder use the encoder of this kind."""
    for kind, shipped in (("encoder", encoder), ("intent-encoder", "intent-encoder")):
        (folder / kind).unlink(missing_ok=True)
        (folder / kind).symlink_to(artifact_path(SETTINGS, shipped), target_is_directory=True)


async def until(what: str, true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = monotonic() + 240
    while not await asyncio.to_thread(true):
        assert monotonic() < deadline, f"{what}: not within 240 s"
        await asyncio.sleep(0.02)


async def entries(settings: Settings) -> dict[str, Entry]:
    """The last entry of each item on the catalogue topic."""
    found: dict[str, Entry] = {}

    def take(read: object) -> None:
        rows: list[ItemRecord] = read  # type: ignore[assignment]
        found.update({item_id: entry for item_id, entry in rows if entry is not None})

    kafka = dict(kafka_options(settings))
    bootstrap = kafka.pop("bootstrap_servers")
    topic = settings.topics.catalogue.name
    async with BroadcastReader(topic, bootstrap, take, read=records.item, **kafka):  # type: ignore[arg-type]
        return found


def context_of(settings: Settings, user_id: str) -> np.void:
    """A user's stored context."""
    key = keys.context(partition_for(user_id.encode(), settings.partitions), user_id)
    row: np.void = np.frombuffer(stored(settings.redis, key.decode())[key], CONTEXT)[0]
    return row


def same_vector(entry: Entry, encoder: Encoder) -> bool:
    """Whether an entry's vectors are what an item event of its title gets now."""
    encoded = encoder.encode([entry.title], passages=True)
    vectors = encoded.vector[0].astype("<f2").tobytes(), encoded.compact[0].astype("<f4").tobytes()
    return (entry.vector, entry.compact) == vectors


async def test_another_encoder_encodes_again_what_is_there(
    kafka: RealKafka, redis_server: RealRedis, topic_prefix: str, tmp_path: Path
) -> None:
    """It answers by words at once; what was counted stays; killed amid its work, the next one goes on; in the end every
    item has the vector of a fresh start, and a user's next event begins an interest.
    """
    ours = opened().encoder
    folder = tmp_path / "artifacts"
    folder.mkdir()
    use(folder, "intent-encoder")
    settings = deployment(kafka, redis_server, topic_prefix, 10, artifacts=str(folder))
    await create_topics(settings)
    lines = [encode(event) for event in (*items(ITEMS), *behaviors(Size(behaviors=300)))]
    worker = WorkerProcess(settings)
    try:
        await asyncio.to_thread(worker.start)
        await publish_lines(lines, settings, tmp_path, known=worker.items)
        await settled(settings)
        assert await asyncio.to_thread(worker.terminate) == 0
        before = stored(settings.redis, *KEPT)
        assert before
        assert {entry.encoder for entry in (await entries(settings)).values()} == {FIRST_ENCODER}

        use(folder, "encoder")
        await asyncio.to_thread(worker.start)
        async with Client(settings=settings) as client:
            assert (await client.ask(text="milk", timeout=60)).items
            await until("some are encoded", lambda: 0 < worker.metric(LEFT) < ITEMS)
            worker.kill9()
            done = [entry.encoder for entry in (await entries(settings)).values()].count(ours.version)
            assert 0 < done < ITEMS

            await asyncio.to_thread(worker.start)
            await until(
                "the rest is encoded", lambda: "items encoded again" in worker.log.rsplit("worker ready", 1)[-1]
            )
            await until("nothing is left", lambda: worker.metric(LEFT) == 0)
            now = await entries(settings)
            assert len(now) == ITEMS
            assert {entry.encoder for entry in now.values()} == {ours.version}
            assert all(same_vector(entry, ours) for entry in list(now.values())[:: ITEMS // 20])
            assert stored(settings.redis, *KEPT) == before

            user_id = next(behaviors(Size(behaviors=1))).user_id
            assert context_of(settings, user_id)["encoder"] == contexts.encoder_id(FIRST_ENCODER)
            held = context_of(settings, user_id)["events"]
            event = Click(time=START + 40 * 86_400_000, event_id="new", user_id=user_id, item_id="p1")
            await publish_lines([encode(event)], settings, tmp_path)
            await settled(settings)
            after = context_of(settings, user_id)
            assert after["events"] == held + 1
            assert after["encoder"] == contexts.encoder_id(ours.version)
            direction = contexts.interest(after.reshape(1), contexts.encoder_id(ours.version))[0][0]
            assert direction @ np.frombuffer(now["p1"].compact, "<f4") > 0.999
    finally:
        worker.close()
