"""Bad input on real Kafka: every broken record is a dead letter that names the field, and the stream goes on."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import msgspec
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from bench.servers import RealRedis
from streams.client import Client
from streams.events import Answer, DeadLetter, decode_answer, decode_dead_letter
from streams.follow import following
from streams.publish import publish_log
from streams.replay import replay
from streams.routing import now
from streams.topics import topics
from streams.transport import BatchProducer
from tests.data.small_log import lines
from tests.integration.conftest import Shop
from tests.servers import flush

DAY = 86_400_000
MIB = 1 << 20
DEAREST = "filters.price.max"


@dataclass(frozen=True)
class Bad:
    """A broken record: what is wrong with it, its value and key, and the code and field of its letter."""

    wrong: str
    value: bytes | None
    code: str
    field: str = ""
    key: bytes | None = b"bad"


def click(**changed: object) -> bytes:
    """A click, with fields changed; None leaves one out."""
    event = {"event": "click", "event_id": "e", "user_id": "bad", "item_id": "p1", "time": now(), **changed}
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None})


def query(**changed: object) -> bytes:
    """A query of the user, with fields changed."""
    event = {"event": "query", "request_id": "q", "user_id": "bad", "time": now(), **changed}
    return msgspec.json.encode({name: value for name, value in event.items() if value is not None})


def item(**changed: object) -> bytes:
    """An item, with fields changed."""
    return msgspec.json.encode({"event": "item", "item_id": "bad", "time": now(), "title": "bad", **changed})


def raw(event: bytes, name: bytes, value: bytes) -> bytes:
    """The event with one more field, written as it is."""
    return event[:-1] + b',"' + name + b'":' + value + b"}"


BEHAVIORS = [
    Bad("not JSON", b"not json", "malformed"),
    Bad("cut off", b'{"event":"click","event_id":"e"', "malformed"),
    Bad("not UTF-8", b'{"event":"click","event_id":"\xff\xfe"}', "malformed"),
    Bad("half a surrogate pair", b'{"event":"click","event_id":"\\ud800..."}', "malformed"),
    Bad("nested too deep", raw(click(), b"more", b"[" * 100_000 + b"]" * 100_000), "malformed"),
    Bad("empty", b"", "malformed"),
    Bad("null", b"null", "invalid"),
    Bad("a list", b"[]", "invalid"),
    Bad("a tombstone", None, "tombstone"),
    Bad("a time of letters", click(time="now"), "invalid", "time"),
    Bad("a time with a fraction", click(time=1.5), "invalid", "time"),
    Bad("a user of numbers", click(user_id=7), "invalid", "user_id"),
    Bad("an item that is null", raw(click(item_id=None), b"item_id", b"null"), "invalid", "item_id"),
    Bad("no item", click(item_id=None), "missing", "item_id"),
    Bad("no event id", click(event_id=None), "missing", "event_id"),
    Bad("no kind", click(event=None), "missing", "event"),
    Bad("an unknown kind", click(event="wave"), "unknown_event", "event"),
    Bad("an item on the wrong topic", item(), "unknown_event", "event"),
    Bad("NaN", raw(click(event="rating"), b"value", b"NaN"), "malformed"),
    Bad("infinity", raw(click(event="rating"), b"value", b"Infinity"), "malformed"),
    Bad("minus infinity", raw(click(event="rating"), b"value", b"-Infinity"), "malformed"),
    Bad("a number too large", raw(click(event="rating"), b"value", b"1e999"), "invalid", "value"),
    Bad("six stars", click(event="rating", value=6), "invalid", "value"),
    Bad("a negative dwell", click(event="dwell", milliseconds=-1), "invalid", "milliseconds"),
    Bad("an impression of nothing", click(event="impression", item_ids=[]), "invalid", "item_ids"),
    Bad("an empty id in a list", click(event="impression", item_ids=["p1", ""]), "invalid", "item_ids[1]"),
    Bad("an empty item id", click(item_id=""), "invalid", "item_id"),
    Bad("a giant item id", click(item_id="x" * 129), "invalid", "item_id"),
    Bad("a giant text", click(query="x" * 2_001), "invalid", "query"),
    Bad("a negative time", click(time=-1), "invalid", "time"),
    Bad("a time in the future", click(time=now() + 2 * DAY), "future", "time"),
    Bad("a time after the end of time", click(time=10**15), "invalid", "time"),
    Bad("somebody else's key", click(), "wrong_key", "key", b"other"),
    Bad("no key", click(), "wrong_key", "key", None),
    Bad("over 1 MiB", raw(click(), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
]
ITEMS = [
    Bad("not JSON", b"{", "malformed"),
    Bad("a negative price", item(price=-1), "invalid", "price"),
    Bad("NaN as price", raw(item(), b"price", b"NaN"), "malformed"),
    Bad("a giant title", item(title="x" * 2_001), "invalid", "title"),
    Bad("too many categories", item(category=["x"] * 11), "invalid", "category"),
    Bad("an attribute of a strange type", item(attributes={"a": {"b": 1}}), "invalid", "attributes[...]"),
    Bad("a vector of letters", item(image_vector=["x"]), "invalid", "image_vector[0]"),
    Bad("a time in the future", item(time=now() + 2 * DAY), "future", "time"),
    Bad("another item's key", item(), "wrong_key", "key", b"other"),
    Bad("over 1 MiB", raw(item(), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
    Bad("a click on the wrong topic", click(), "unknown_event", "event"),
    Bad("a tombstone of no item id", None, "wrong_key", "key", b"\xff"),
]
QUERIES = [
    Bad("cut off", query(request_id="cut")[:-1], "malformed"),
    Bad("an unknown surface", query(request_id="surface", surface="shelf"), "invalid", "surface"),
    Bad("no results", query(request_id="least", limit=0), "invalid", "limit"),
    Bad("too many results", query(request_id="most", limit=101), "invalid", "limit"),
    Bad("a limit of letters", query(request_id="letters", limit="ten"), "invalid", "limit"),
    Bad("a giant text", query(request_id="text", text="x" * 2_001), "invalid", "text"),
    Bad("too many candidates", query(request_id="many", candidates=["x"] * 1_001), "invalid", "candidates"),
    Bad("a price of letters", query(request_id="price", filters={"price": {"max": "x"}}), "invalid", DEAREST),
    Bad("a time of letters", query(request_id="time", time="now"), "invalid", "time"),
    Bad("a negative time", query(request_id="before", time=-1), "invalid", "time"),
    Bad("a time in the future", query(request_id="future", time=now() + 2 * DAY), "future", "time"),
    Bad("a negative place", query(request_id="after", after={"partition": 0, "offset": -1}), "invalid", "after.offset"),
    Bad("a strange reply topic", query(request_id="reply", reply_topic="no topic"), "invalid", "reply_topic"),
    Bad("no such reply topic", query(request_id="gone", reply_topic="nowhere"), "unknown_topic", "reply_topic"),
    Bad("somebody else's key", query(request_id="key"), "wrong_key", "key", b"other"),
    Bad("over 1 MiB", raw(query(request_id="large"), b"more", b'"' + b"x" * MIB + b'"'), "too_large"),
    Bad("no request id", query(request_id=None), "missing", "request_id"),
    Bad("an empty request id", query(request_id=""), "invalid", "request_id"),
    Bad("a giant request id", query(request_id="x" * 129), "invalid", "request_id"),
    Bad("a tombstone", None, "tombstone"),
]
#: requests whose id cannot be read, or is no request id: nobody can be told
UNTOLD = ("no request id", "an empty request id", "a giant request id", "a tombstone")


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
    """Publish broken records to partition 1 of a topic; each with the letter it became."""
    named = topics(shop.settings.partitions, shop.settings.topic_prefix)
    found: dict[int, DeadLetter] = {}
    async with following(shop.settings, named.dead_letters.name) as consumer, producing(shop) as producer:
        sent = [await producer.send_and_wait(topic, bad.value, key=bad.key, partition=1) for bad in records]
        deadline = monotonic() + 30
        while len(found) < len(records):
            missing = [bad.wrong for bad, place in zip(records, sent, strict=True) if place.offset not in found]
            assert monotonic() < deadline, missing
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for letter in (decode_dead_letter(record.value) for record in batch):
                    if letter.topic == topic and letter.partition == 1:
                        assert letter.offset not in found, "a record became two letters"
                        found[letter.offset] = letter
    return [(bad, found[record.offset]) for bad, record in zip(records, sent, strict=True)]


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
    producer = BatchProducer(shop.settings.kafka, max_batch_bytes=3 * MIB, max_request_bytes=4 * MIB)
    async with producer:
        await asyncio.gather(*await producer.send_many(named.behavior_events.name, 1, large))
    await assert_learns(shop)
    assert shop.worker.metric('streamrank_events_total{kind="behavior"}') == before + 401
    assert "MessageSizeTooLarge" in shop.worker.log


async def assert_learns(shop: Shop) -> None:
    """A click of a user of partition 1 shows in the next answer."""
    async with Client(settings=shop.settings) as client:
        for number in range(100):
            place = await client.event("click", user_id=f"well{number}", item_id="p3")
            if place.partition == 1:
                break
        answer = await client.ask(f"well{number}", candidates=["p3", "p4"], explain=True, timeout=20)
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
    for bad, answer in zip(told, answers, strict=True):
        assert answer.error is not None
        assert answer.request_id.encode() in (bad.value or b"")
        assert (answer.error.code, answer.error.field) == (bad.code, bad.field)
        assert answer.error.message
    async with Client(settings=shop.settings) as client:
        assert (await client.ask(text="milk", timeout=20)).items


async def answers_to(consumer: object, count: int) -> list[Answer]:
    """So many answers to requests of this module, in their order, and no more."""
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
