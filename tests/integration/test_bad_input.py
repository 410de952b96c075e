"""Bad input on real Kafka: every broken record is a dead letter that names the field, and the stream goes on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from bench.servers import RealRedis
from streamrank_client.answers import Answer, DeadLetter, decode_answer, decode_dead_letter
from streamrank_client.client import Client
from streamrank_client.following import following
from streamrank_client.partitioner import partition_for
from streamrank_client.topics import topics
from streams.handlers.decoding import request_id_of
from streams.kafka.transport import BatchProducer
from streams.offline.publishing.publish_log import publish_log
from streams.offline.replay import replay
from tests.integration.conftest import Shop
from tests.support.broken import BEHAVIORS, ITEMS, MIB, QUERIES, UNTOLD, Bad, click, item, query
from tests.support.servers import flush
from tests.support.small_log import lines


@asynccontextmanager
async def producing(shop: Shop) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that checks nothing."""
    producer = AIOKafkaProducer(bootstrap_servers=shop.settings.kafka, max_request_size=4 * MIB)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def letters_for(shop: Shop, topic: str, records: Sequence[Bad]) -> list[tuple[Bad, DeadLetter]]:
    """Publish broken records where their keys belong; each with the letter it became."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    found: dict[tuple[int, int], DeadLetter] = {}
    homes = [partition_for(bad.key or b"bad", shop.settings.partitions) for bad in records]
    async with following(shop.settings, named.dead_letters.name) as consumer, producing(shop) as producer:
        sent = [
            await producer.send_and_wait(topic, bad.value, key=bad.key, partition=home)
            for bad, home in zip(records, homes, strict=True)
        ]
        places = [(record.partition, record.offset) for record in sent]
        deadline = monotonic() + 30
        while len(found) < len(records):
            missing = [bad.wrong for bad, place in zip(records, places, strict=True) if place not in found]
            assert monotonic() < deadline, missing
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for letter in (decode_dead_letter(record.value) for record in batch):
                    place = letter.partition, letter.offset
                    if letter.topic == topic and place in places:
                        assert place not in found, "a record became two letters"
                        found[place] = letter
    return [(bad, found[place]) for bad, place in zip(records, places, strict=True)]


def assert_told(pairs: Sequence[tuple[Bad, DeadLetter]]) -> None:
    """Each letter has the code and field, a reason, and what came as far as it is kept."""
    told = {bad.wrong: (letter.code, letter.field) for bad, letter in pairs}
    assert told == {bad.wrong: (bad.code, bad.field) for bad, _ in pairs}
    for bad, letter in pairs:
        assert letter.reason
        assert letter.key == bad.key
        assert letter.size == len(bad.value or b"")
        assert letter.raw == (None if bad.value is None else bad.value[: 64 << 10])


async def test_broken_behaviour_becomes_dead_letters_and_the_stream_goes_on(shop: Shop) -> None:
    """Every kind of broken behaviour; a good event behind them on the same partition is learnt from."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    assert_told(await letters_for(shop, named.behavior_events.name, BEHAVIORS))
    await assert_learns(shop)


async def test_behaviour_whose_signals_do_not_fit_in_a_record_is_cut(shop: Shop) -> None:
    """Hundreds of impressions of one item a thousand times: more than a record takes for the item's partition."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    before = shop.worker.metric('streamrank_events_total{kind="behavior"}')
    large = [
        (b"bad", click(event="impression", event_id=f"large{n}", item_id=None, item_ids=["p"] * 1_000))
        for n in range(400)
    ]
    home = partition_for(b"bad", shop.settings.partitions)
    producer = BatchProducer(shop.settings.kafka, max_batch_bytes=3 * MIB, max_request_bytes=4 * MIB)
    async with producer:
        await asyncio.gather(*await producer.send_many(named.behavior_events.name, home, large))
    await assert_learns(shop, home)
    assert shop.worker.metric('streamrank_events_total{kind="behavior"}') == before + 401
    assert "MessageSizeTooLarge" in shop.worker.log


async def assert_learns(shop: Shop, home: int = 1) -> None:
    """A click of a user of the partition ``home`` shows in the next answer."""
    names = (f"well{number}" for number in count())
    user = next(name for name in names if partition_for(name.encode(), shop.settings.partitions) == home)
    async with Client(settings=shop.settings) as client:
        place = await client.event("click", user_id=user, item_id="p3")
        answer = await client.ask(user, candidates=["p3", "p4"], explain=True, timeout=20)
    clicked = next(found for found in answer.items if found.item_id == "p3")
    assert answer.seen is not None
    assert answer.seen.offset >= place.offset
    assert clicked.features is not None
    assert clicked.features["own_events"] >= 1


async def test_broken_items_become_dead_letters_and_a_tombstone_deletes(shop: Shop) -> None:
    """Every kind of broken item; then a good one can be found, and a tombstone takes it away."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    assert_told(await letters_for(shop, named.item_events.name, ITEMS))
    async with producing(shop) as producer, Client(settings=shop.settings) as client:
        good = item(item_id="ghost", title="umbrella")
        await producer.send_and_wait(named.item_events.name, good, key=b"ghost", partition=1)
        await until_asked(client, "umbrella", "ghost", found=True)
        await producer.send_and_wait(named.item_events.name, None, key=b"ghost", partition=1)
        await until_asked(client, "umbrella", "ghost", found=False)


async def until_asked(client: Client, text: str, item_id: str, found: bool) -> None:
    """Ask until an item is, or is no longer, among the answers."""
    for _ in range(100):
        answer = await client.ask(text=text, limit=100, timeout=20)
        if (item_id in [one.item_id for one in answer.items]) == found:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{item_id} is {'not ' if found else 'still '}found")


async def test_broken_queries_are_answered_with_their_error(shop: Shop) -> None:
    """Every kind of broken query is a dead letter, and an answer if its request id can be read."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    async with following(shop.settings, named.recommendations.name) as consumer:
        pairs = await letters_for(shop, named.query_events.name, QUERIES)
        answers = await answers_to(consumer, len(QUERIES) - len(UNTOLD))
    assert_told(pairs)
    told = [bad for bad in QUERIES if bad.wrong not in UNTOLD]
    assert len(answers) == len(told)
    by_id = {answer.request_id: answer for answer in answers}
    for bad in told:
        answer = by_id[request_id_of(bad.value) or ""]
        assert answer.error is not None
        assert (answer.error.code, answer.error.field) == (bad.code, bad.field)
        assert answer.error.message
    async with Client(settings=shop.settings) as client:
        assert (await client.ask(text="milk", timeout=20)).items


async def answers_to(consumer: object, count: int) -> list[Answer]:
    """So many answers to requests of this module, and no more."""
    found: list[Answer] = []
    deadline = monotonic() + 20
    while len(found) < count:
        assert monotonic() < deadline, [answer.request_id for answer in found]
        for batch in (await consumer.getmany(timeout_ms=300)).values():  # type: ignore[attr-defined]
            found += [decode_answer(record.value) for record in batch]
    return found


async def test_an_error_goes_to_the_reply_topic_of_a_query_that_names_one(shop: Shop) -> None:
    """Who waits on a topic of their own hears of the error there."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    own = named.feedback.name  # any topic that exists
    async with following(shop.settings, own) as consumer, producing(shop) as producer:
        broken = query(request_id="mine", reply_topic=own, limit=0)
        await producer.send_and_wait(named.query_events.name, broken, key=b"bad")
        (answer,) = await answers_to(consumer, 1)
    assert answer.request_id == "mine"
    assert answer.error is not None
    assert answer.error.field == "limit"


async def test_a_replay_makes_the_same_dead_letters(shop: Shop, redis_server: RealRedis, tmp_path: Path) -> None:
    """The same broken lines, published as a log and replayed: the same letters but for their offsets.

    Not that of a missing topic: a replay has no topics.
    """
    broken = [bad.value for bad in (*BEHAVIORS, *ITEMS, *QUERIES) if bad.value and bad.code != "unknown_topic"]
    marked = [value.replace(b'"bad"', b'"worse"') for value in broken]
    log = tmp_path / "broken.jsonl"
    log.write_bytes(b"\n".join(marked) + b"\n")
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    replayed: list[DeadLetter] = []
    empty = redis_server.redis.rsplit("/", 1)[0] + "/8"
    flush(empty)
    await replay(lines(marked), shop.settings, empty, on_dead=lambda raw: replayed.append(decode_dead_letter(raw)))
    published: list[DeadLetter] = []
    async with following(shop.settings, named.dead_letters.name) as consumer:
        await publish_log(log, shop.settings, wait=False)
        deadline = monotonic() + 30
        while len(published) < len(replayed) and monotonic() < deadline:
            for batch in (await consumer.getmany(timeout_ms=300)).values():
                published += [decode_dead_letter(record.value) for record in batch]
    assert {_alike(letter) for letter in published} == {_alike(letter) for letter in replayed}
    assert len(published) == len(replayed) >= len(broken) - 10


def _alike(letter: DeadLetter) -> tuple[object, ...]:
    reason = "" if letter.code == "future" else letter.reason
    raw = base64.b64encode((letter.raw or b"")[:300])
    return letter.topic, letter.partition, letter.code, letter.field, reason, letter.key, raw, letter.size
