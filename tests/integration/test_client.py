"""The client on real Kafka and on the embedded broker, against a tiny worker."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from streamrank_client.answers import Answer, AnswerError
from streamrank_client.client import Client
from streamrank_client.errors import (
    AnswerTimeout,
    InvalidEvent,
    QueryRejected,
    SettingsError,
    StreamrankError,
    Unavailable,
)
from streamrank_client.events import Click, Event, Item, Query, decode_event
from streamrank_client.fields import Place
from streamrank_client.following import following, records
from streamrank_client.making import now
from streamrank_client.topics import topics
from streams.kafka.admin import create_topics
from streams.kafka.topic_states import topic_states
from streams.kafka.transport import partition_for
from streams.settings import Settings
from tests.support.echo_worker import answering, echo, twice
from tests.support.servers import Broker


@pytest_asyncio.fixture
async def settings(broker: Broker) -> AsyncIterator[Settings]:
    """Settings of a deployment with topics of its own."""
    found = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=4,
        fetch_wait_ms=10 if broker.tansu else 500,
    )  # fmt: skip
    await create_topics(found)
    yield found


def click(user: str, item: str = "p1", at: int | None = None) -> Click:
    """A click."""
    return Click(event_id=f"{user}-{item}", user_id=user, item_id=item, time=now() if at is None else at)


async def test_many_events_go_in_batches_and_each_has_its_place(settings: Settings) -> None:
    """Also where some are as large as a batch; one user's stay in their order."""
    events: list[Event] = [click(f"u{n % 9}", f"p{n}") for n in range(400)]
    for n in range(0, 400, 50):
        events[n] = Item(item_id=f"i{n}", time=now(), description="x" * 20_000, attributes={"a": "y" * n})
    async with Client(settings=settings) as client:
        places = await client.publish_many(events)
        assert client.last_place("u8") == places[395]
    named = topics(settings.partitions, settings.topic_prefix)
    stored: dict[tuple[str, int, int], bytes] = {}
    async with following(settings, named.behavior_events.name, named.item_events.name, from_start=True) as consumer:
        async with asyncio.timeout(30):
            async for record in records(consumer):
                stored[record.topic, record.partition, record.offset] = record.value
                if len(stored) == len(events):
                    break
    for event, place in zip(events, places, strict=True):
        spec = named.item_events if isinstance(event, Item) else named.behavior_events
        assert decode_event(stored[spec.name, place.partition, place.offset]) == event
    for user in range(9):
        offsets = [place.offset for n, place in enumerate(places) if n % 9 == user and n % 50]
        assert offsets == sorted(offsets)


async def test_an_answer_arrives_and_a_query_carries_its_users_last_event(settings: Settings) -> None:
    """ask() returns the answer to its own query, whose `after` is the place of that user's last event."""
    async with answering(settings) as seen, Client(settings=settings) as client:
        first = await client.publish(click("u1"))
        last = await client.publish(click("u1", "p2"))
        await client.publish(click("u2"))
        answer = await client.ask(user_id="u1", text="酸奶", timeout=10)
        stranger = await client.ask(text="coffee", timeout=10)
    assert (first.partition, first.offset + 1) == (last.partition, last.offset)
    assert last.partition == partition_for(b"u1", 4)
    assert [item.item_id for item in answer.items] == ["酸奶"]
    assert answer.seen == last
    assert stranger.seen is None
    assert [query.user_id for query in seen] == ["u1", None]


async def test_the_first_answer_after_opening_is_never_missed(settings: Settings) -> None:
    """Positions on the reply topic are fixed on entering, so a new client gets its first answer."""
    async with answering(settings):
        for round_ in range(5):
            async with Client(settings=settings) as client:
                answer = await client.ask(user_id=f"u{round_}", text=str(round_), timeout=10)
                assert answer.items[0].item_id == str(round_)


async def test_many_queries_at_once_get_each_its_own_answer(settings: Settings) -> None:
    """Answers are told apart by request id, in whatever order they come."""
    async with answering(settings), Client(settings=settings) as client:
        asked = [client.ask(user_id=f"u{n % 7}", text=f"t{n}", timeout=20) for n in range(200)]
        answers = await asyncio.gather(*asked)
    assert [answer.items[0].item_id for answer in answers] == [f"t{n}" for n in range(200)]


async def test_one_query_after_another_is_answered_in_milliseconds(settings: Settings) -> None:
    """No fetch is left waiting: the median of 30 queries in a row, of one user, is far below a fetch wait."""
    async with answering(settings), Client(settings=settings) as client:
        await client.ask(user_id="u1", text="warm", timeout=10)
        spent = []
        for n in range(30):
            start = time.perf_counter()
            await client.ask(user_id=f"u{n % 3}", text="x", timeout=10)
            spent.append(time.perf_counter() - start)
    assert sorted(spent)[15] < 0.1


async def test_a_redelivered_answer_counts_once(settings: Settings) -> None:
    """answers() yields an answer that came twice once, and the asker is not disturbed by the second."""
    async with answering(settings, twice), Client(settings=settings) as client:
        following = client.answers()
        asked = [(await client.ask(user_id="u1", text=f"t{n}", timeout=10)).request_id for n in range(3)]
        got = [(await asyncio.wait_for(anext(following), 10)).request_id for _ in range(3)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(following), 0.3)
        await following.aclose()
    assert got == asked


async def test_answers_are_followed_whoever_asked(settings: Settings) -> None:
    """answers() sees answers to other clients' queries."""
    async with answering(settings), Client(settings=settings) as asking, Client(settings=settings) as other:
        followed = other.answers()
        await asking.ask(user_id="u1", text="seen by both", timeout=10)
        answer = await asyncio.wait_for(anext(followed), 10)
        await followed.aclose()
    assert answer.items[0].item_id == "seen by both"


async def test_a_refused_query_raises_the_workers_reason(settings: Settings) -> None:
    """An answer with an error becomes QueryRejected with its code, field and message."""

    def refuse(query: Query) -> list[Answer]:
        error = AnswerError(code="invalid", field="limit", message="Expected `int` <= 100")
        return [Answer(time=query.time, request_id=query.request_id, error=error)]

    async with answering(settings, refuse), Client(settings=settings) as client:
        with pytest.raises(QueryRejected) as raised:
            await client.ask(user_id="u1", timeout=10)
    assert (raised.value.code, raised.value.field) == ("invalid", "limit")
    assert "limit: Expected" in str(raised.value)


async def test_without_a_worker_the_timeout_says_what_to_check(settings: Settings) -> None:
    """AnswerTimeout names the topic, the address and the command that tells more."""
    async with Client(settings=settings) as client:
        with pytest.raises(AnswerTimeout, match=r"within 0\.2 s.*recommendations.*streamrank doctor"):
            await client.ask(user_id="u1", timeout=0.2)


async def test_a_reply_topic_of_its_own_keeps_answers_apart(settings: Settings, broker: Broker) -> None:
    """A client with a reply topic names it in its queries and reads its answers there."""
    replies = await broker.create("my-replies", 2)
    async with broker.admin() as admin, asyncio.timeout(10):
        for _ in range(100):  # Kafka answers a creation before it shows the topic
            if replies in await admin.list_topics():
                break
            await asyncio.sleep(0.05)
    async with answering(settings), Client(settings=settings, reply_topic=replies) as client:
        answer = await client.ask(user_id="u1", text="private", timeout=10)
    async with following(settings, f"{settings.topic_prefix}recommendations", from_start=True) as consumer:
        shared = await consumer.getmany(timeout_ms=300)
    assert answer.items[0].item_id == "private"
    assert shared == {}


async def test_events_go_to_their_topics_under_their_keys(settings: Settings) -> None:
    """Items are keyed by item, behaviour by user, and every record decodes to what was published."""
    events: list[Event] = [
        Item(time=1, item_id="p1", title="Kaffee"),
        click("u9", at=2),
        click("u9", "p2", at=3),
    ]
    async with Client(settings=settings) as client:
        places = await client.publish_many(events)
        assert client.last_place("u9") == places[-1]
    found = {}
    for topic in ("item-events", "behavior-events"):
        async with following(settings, settings.topic_prefix + topic, from_start=True) as consumer:
            async for record in records(consumer):
                found[decode_event(record.value).time] = (
                    topic,
                    record.key,
                    Place(record.partition, record.offset),
                )
                if len(found) in (1, 3):
                    break
    assert found == {
        1: ("item-events", b"p1", places[0]),
        2: ("behavior-events", b"u9", places[1]),
        3: ("behavior-events", b"u9", places[2]),
    }


async def test_what_a_worker_would_refuse_is_refused_at_once(settings: Settings) -> None:
    """publish() and ask() check as a worker does, and name the field; nothing is sent."""
    async with answering(settings) as seen, Client(settings=settings) as client:
        with pytest.raises(InvalidEvent, match="item_id"):
            await client.publish(click("u1", ""))
        with pytest.raises(InvalidEvent, match="price"):
            await client.publish(Item(time=1, item_id="p1", price=math.inf))
        with pytest.raises(InvalidEvent, match="limit"):
            await client.ask(user_id="u1", limit=0)
        with pytest.raises(InvalidEvent, match="only workers publish answers"):
            await client.publish(echo(Query(time=1, request_id="r1"))[0])
        await client.ask(text="the stream goes on", timeout=10)
    assert len(seen) == 1


async def test_an_event_by_its_kind_gets_an_id_and_the_time(settings: Settings) -> None:
    """event() fills in what the edge knows, and refuses a field that the kind does not have."""
    async with Client(settings=settings) as client:
        place = await client.event("rating", user_id="u1", item_id="p1", value=4.5)
        assert client.last_place("u1") == place
        with pytest.raises(InvalidEvent, match="quantity"):
            await client.event("view", user_id="u1", item_id="p1", quantity=2)
        with pytest.raises(InvalidEvent, match="event"):
            await client.event("stare", user_id="u1", item_id="p1")


async def test_missing_topics_are_named_and_not_made(broker: Broker) -> None:
    """Opening a client where nobody made the topics fails with their names, and makes none."""
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2)
    with pytest.raises(SettingsError, match=r"recommendations.*streamrank topics create"):
        async with Client(settings=settings):
            pass
    assert all(state.partitions == 0 for state in await topic_states(settings))


async def test_topics_are_made_once_and_differences_are_told(broker: Broker) -> None:
    """create_topics makes what is missing; topic_states tells partitions and policies that differ."""
    settings = Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=2)
    made = await create_topics(settings)
    again = await create_topics(settings)
    fine = await topic_states(settings)
    other = await topic_states(Settings(kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=3))
    assert (len(made), again) == (len(list(topics())), [])
    assert [state.wrong for state in fine] == [()] * len(made)
    assert {state.spec.name.removeprefix(broker.prefix + "-") for state in other if state.wrong} == {
        "item-events", "behavior-events", "query-events", "recommendations", "signals"
    }  # fmt: skip


async def test_a_closed_client_says_how_to_use_it(settings: Settings) -> None:
    """Using a client outside its block is an error that shows the block."""
    client = Client(settings=settings)
    with pytest.raises(StreamrankError, match="async with Client"):
        await client.publish(click("u1"))


async def test_an_unreachable_kafka_is_one_clear_error() -> None:
    """Where nobody listens, the error names the address and the setting."""
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 .*STREAMRANK_KAFKA"):
        async with Client("127.0.0.1:1", settings=Settings()):
            pass
