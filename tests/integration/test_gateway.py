"""The gateway on real Kafka and on the embedded broker, asked over HTTP, against a tiny worker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from streamrank_client.answers import Answer, AnswerError, DeadLetter, Suggestion
from streamrank_client.client import Client
from streamrank_client.events import Query, decode_behavior, encode
from streamrank_client.fields import Place
from streamrank_client.following import following, records
from streamrank_client.partitioner import partition_for
from streamrank_client.routing import Route
from streamrank_client.sending import Ready
from streamrank_client.topics import topics
from streams.gateway import following as following_module
from streams.gateway.app import Gateway
from streams.gateway.serving import open_client
from streams.gateway.signed import Claims, sign
from streams.gateway.tokens import Tokens
from streams.kafka.admin import create_topics
from streams.offline.servers import HOST, EmbeddedBroker, free_port
from streams.settings import Settings
from tests.support.echo_worker import answering
from tests.support.servers import Broker

KEY = "k" * 32


@pytest_asyncio.fixture
async def settings(broker: Broker) -> AsyncIterator[Settings]:
    """Settings of a deployment with topics of its own."""
    found = Settings(
        kafka=broker.kafka, topic_prefix=broker.prefix + "-", partitions=4,
        fetch_wait_ms=10 if broker.tansu else 500, gateway_timeout_ms=10_000,
    )  # fmt: skip
    await create_topics(found)
    yield found


@asynccontextmanager
async def serving(settings: Settings, tokens: Tokens | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A gateway, and who calls it."""
    settings = replace(settings, gateway_port=free_port())
    async with open_client(settings) as client:
        gateway = Gateway(settings, client, tokens)
        await gateway.start()
        try:
            async with aiohttp.ClientSession(f"http://{HOST}:{settings.gateway_port}") as session:
                yield session
        finally:
            await gateway.stop()
        assert b'status="500"' not in gateway.metrics.text()


async def post(calls: aiohttp.ClientSession, path: str, data: bytes, **more: object) -> tuple[int, dict[str, object]]:
    """Status and body of a post."""
    async with calls.post(path, data=data, **more) as answer:  # type: ignore[arg-type]
        found: dict[str, object] = await answer.json()
        return answer.status, found


def click(event_id: str, user_id: str = "u1", **more: object) -> bytes:
    """A click as a page might send it."""
    fields = {"event": "click", "event_id": event_id, "user_id": user_id, "item_id": "p1", "time": 1_700_000_000_000}
    return json.dumps({**fields, **more}).encode()


async def told(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, bytes]]:
    """The server-sent events of a stream by name, the beginning as ``begun``."""
    name = ""
    async for line in answer.content:
        if line.startswith(b": follows"):
            yield "begun", b""
        elif line.startswith(b"event: "):
            name = line[7:].strip().decode()
        elif line.startswith(b"data: "):
            yield name, line[6:].strip()


def completing(query: Query) -> list[Answer]:
    """A worker that completes texts."""
    assert query.suggest
    found = [Suggestion(query.text + "lk", "word")] * min(query.limit, 2)
    return [Answer(time=query.time, request_id=query.request_id, suggestions=found)]


async def test_a_text_is_completed_by_a_worker(settings: Settings) -> None:
    """Over HTTP and over Kafka; a wrong number is refused by its name."""
    async with answering(settings, completing) as seen, serving(settings) as calls:
        async with calls.get("/v1/suggest", params={"text": "mi", "limit": "1"}) as answer:
            assert (answer.status, await answer.json()) == (200, {"suggestions": [{"text": "milk", "kind": "word"}]})
        async with calls.get("/v1/suggest", params={"text": "mi", "limit": "101"}) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["field"], error["value"]) == (400, "limit", "101")
        async with Client(settings=settings) as client:
            assert await client.suggest("mi", timeout=10) == [Suggestion("milk", "word")] * 2
    assert [(query.text, query.limit) for query in seen] == [("mi", 1), ("mi", 10)]


async def test_a_query_has_learnt_from_the_click_that_was_posted_before(settings: Settings) -> None:
    """The place comes back in the header and as a cookie, and goes along by either, to another gateway as well."""
    async with answering(settings) as seen, serving(settings) as calls, serving(settings) as others:
        async with calls.post("/v1/events", data=click("e1")) as posted:
            assert posted.status == 202
            body = await posted.json()
            after, cookie = posted.headers["Streamrank-After"], posted.cookies["streamrank_after"]
        assert (body["accepted"], body["event_id"]) == (1, "e1")
        place = Place(**body["after"])
        assert place.partition == partition_for(b"u1", 4)
        assert after == cookie.value == f"{place.partition}:{place.offset}"
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        await post(calls, "/v1/ask", b'{"user_id":"u1"}')
        await post(others, "/v1/ask", b'{"user_id":"u1"}', headers={"Streamrank-After": after})
        await post(others, "/v1/ask", b'{"user_id":"u1"}', cookies={"streamrank_after": after})
        await post(others, "/v1/ask", b'{"user_id":"u1","after":{"partition":1,"offset":9}}')
        await post(others, "/v1/ask", b'{"user_id":"u1"}')
        assert partition_for(b"u2", 4) != place.partition
        await post(others, "/v1/ask", b'{"user_id":"u2"}', cookies={"streamrank_after": after})
    assert [query.after for query in seen] == [place, place, place, Place(partition=1, offset=9), None, None]


async def test_what_is_accepted_lies_in_kafka_and_what_is_not_is_told_by_line(settings: Settings) -> None:
    """Each on its user's partition, one user's in their order, with the place of a user's last one."""
    lines = [click(f"e{n}", f"u{n % 7}", rest=n) for n in range(300)]
    lines[3] = b'{"event":"click","user_id":"u3"}'
    lines[100] = b""
    lines[200] = b"\xef\xbb\xbf{"
    async with serving(settings) as calls:
        status, found = await post(calls, "/v1/events", b"\r\n".join(lines))
        assert (status, found["accepted"]) == (202, 297)
        assert [(one["line"], one["code"], one["field"]) for one in found["refused"]] == [  # type: ignore[attr-defined]
            (4, "missing", "item_id"),
            (201, "malformed", ""),
        ]
        assert "after" not in found
        status, found = await post(calls, "/v1/events", b"\n".join(click(f"f{n}", "u9") for n in range(50)))
        assert found["accepted"] == 50
    stored = await behaviors(settings, 347)
    assert [raw for _, raw in stored if b'"f' in raw] == [click(f"f{n}", "u9") for n in range(50)]
    for partition, raw in stored:
        user_id = decode_behavior(raw).user_id
        assert partition == partition_for(user_id.encode(), 4)
    for user in range(7):
        wanted = [line for n, line in enumerate(lines) if n % 7 == user and n not in (3, 100, 200)]
        assert [raw for _, raw in stored if decode_behavior(raw).user_id == f"u{user}"] == wanted
    async with Client(settings=settings) as client:
        last = await client.publish(decode_behavior(click("g", "u9")))
    assert found["after"] == {"partition": last.partition, "offset": last.offset - 1}


async def behaviors(settings: Settings, count: int) -> list[tuple[int, bytes]]:
    """The first ``count`` records of behavior-events, with their partitions."""
    named = topics(settings.partitions, settings.topic_prefix)
    found: list[tuple[int, bytes]] = []
    async with (
        following(settings, named.behavior_events.name, from_start=True) as consumer,
        aclosing(records(consumer)) as coming,
        asyncio.timeout(30),
    ):
        async for record in coming:
            found.append((record.partition, record.value))
            if len(found) == count:
                return found
    raise AssertionError


async def test_items_and_rules_are_published_by_their_keys(settings: Settings) -> None:
    """What is deleted too; the time is now where none is given."""
    lines = (
        b'{"event":"item","item_id":"p1","title":"Tea"}\n{"event":"delete","item_id":"p2"}\n'
        b'{"event":"rule","rule_id":"r1","action":"hide","brand":["x"]}'
    )
    named = topics(settings.partitions, settings.topic_prefix)
    async with following(settings, named.item_events.name) as consumer, serving(settings) as calls:
        assert (await post(calls, "/v1/items", lines))[0] == 202
        async with aclosing(records(consumer)) as coming, asyncio.timeout(30):
            keys = {(await anext(coming)).key for _ in range(3)}
    assert keys == {b"p1", b"p2", b"rule:r1"}


async def test_a_query_without_an_answer_ends_in_time_with_its_request_id(settings: Settings) -> None:
    """504: whoever asked can follow it up."""
    async with serving(settings) as calls:
        status, found = await post(calls, "/v1/ask?timeout_ms=100", b'{"request_id":"r7","text":"tea"}')
        assert (status, found["request_id"]) == (504, "r7")
        assert found["error"]["code"] == "timeout"  # type: ignore[index]
        status, found = await post(calls, "/v1/ask?timeout_ms=100", b"{}")
        assert len(str(found["request_id"])) == 32


@pytest.mark.parametrize(("code", "status"), [("invalid", 400), ("overloaded", 503), ("late", 504)])
async def test_a_query_that_a_worker_declines_says_why(settings: Settings, code: str, status: int) -> None:
    """The worker's own code, field and message; the status says whether it may be asked again."""

    def decline(query: Query) -> list[Answer]:
        error = AnswerError(code, "text", "not today")
        return [Answer(time=query.time, request_id=query.request_id, error=error)]

    async with answering(settings, decline), serving(settings) as calls:
        found = await post(calls, "/v1/ask", b'{"request_id":"r1"}')
    error = {"code": code, "field": "text", "message": "not today", "value": None}
    assert found == (status, {"error": error, "request_id": "r1"})


async def test_a_request_id_that_is_being_answered_is_not_asked_again(settings: Settings) -> None:
    """409 for the second; the first is not disturbed."""
    async with serving(settings) as calls:
        first = asyncio.create_task(post(calls, "/v1/ask?timeout_ms=1500", b'{"request_id":"r1"}'))
        await asyncio.sleep(0.3)
        assert (await post(calls, "/v1/ask", b'{"request_id":"r1"}'))[0] == 409
        assert (await first)[0] == 504


async def test_answers_are_followed_by_user_and_by_operators_all(settings: Settings, tmp_path: Path) -> None:
    """A browser shows its user's token in the address, and sees nobody else's answers."""
    path = tmp_path / "tokens.toml"
    path.write_text(f'signing_keys = ["{KEY}"]\n[tokens.all]\ntoken = "{"t" * 16}"\nscopes = ["ask", "operate"]\n')
    shop = {"Authorization": f"Bearer {'t' * 16}"}
    user = sign(Claims(sub="u1", exp=9e9), KEY)
    async with answering(settings), serving(settings, Tokens(path)) as calls:
        async with (
            calls.get(f"/v1/answers?access_token={user}") as mine,
            calls.get("/v1/answers", headers=shop) as everybodys,
        ):
            assert mine.content_type == "text/event-stream"
            one, all_ = told(mine), told(everybodys)
            assert {(await anext(one))[0], (await anext(all_))[0]} == {"begun"}
            for user_id in ("u2", "u1"):
                body = json.dumps({"user_id": user_id, "text": user_id}).encode()
                assert (await post(calls, "/v1/ask", body, headers=shop))[0] == 200
            async with asyncio.timeout(10):
                name, data = await anext(one)
                seen = [json.loads((await anext(all_))[1])["user_id"] for _ in range(2)]
        assert name == "answer"
        assert json.loads(data)["user_id"] == "u1"
        assert seen == ["u2", "u1"]


async def test_a_stream_ends_with_its_token(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at again while the stream is open."""
    monkeypatch.setattr(following_module, "ALIVE_S", 0.1)
    monkeypatch.setattr("streams.gateway.tokens._LOOK", 0.0)
    path = tmp_path / "tokens.toml"
    path.write_text(f'[tokens.a]\ntoken = "{"t" * 16}"\nscopes = ["ask"]\n')
    async with serving(settings, Tokens(path)) as calls:
        headers = {"Authorization": f"Bearer {'t' * 16}"}
        async with calls.get("/v1/answers?user_id=u1", headers=headers) as answer:
            stream = told(answer)
            assert (await anext(stream))[0] == "begun"
            path.write_text(f'[tokens.b]\ntoken = "{"another" * 3}"\nscopes = ["ask"]\n')
            async with asyncio.timeout(10):
                name, data = await anext(stream)
                assert [one async for one in stream] == []
    assert name == "error"
    assert json.loads(data)["error"]["code"] == "token"


async def test_a_stream_in_which_much_comes_ends_with_its_token_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signed token that ends while answers come is not outlived by its stream; its user may come again."""
    monkeypatch.setattr(following_module, "ALIVE_S", 0.3)
    path = tmp_path / "tokens.toml"
    path.write_text(f'signing_keys = ["{KEY}"]\n[tokens.a]\ntoken = "{"t" * 16}"\nscopes = ["ask"]\n')
    shop = {"Authorization": f"Bearer {'t' * 16}"}
    async with answering(settings), serving(settings, Tokens(path)) as calls:

        async def ask() -> None:
            while True:
                await post(calls, "/v1/ask", b'{"user_id":"u1"}', headers=shop)

        user = sign(Claims(sub="u1", exp=time.time() + 1.5), KEY)
        async with calls.get(f"/v1/answers?access_token={user}") as answer, asyncio.timeout(20):
            asking = asyncio.create_task(ask())
            names = [name async for name, _ in told(answer)]
            asking.cancel()
        assert names[0] == "begun"
        assert names[-1] == "error"
        assert names.count("answer") > 1


async def test_dead_letters_are_followed_from_now_or_from_the_start(settings: Settings) -> None:
    """As they lie in Kafka."""
    named = topics(settings.partitions, settings.topic_prefix)

    async def letter(offset: int) -> None:
        dead = DeadLetter("behavior-events", 0, offset, "invalid", "time", "wrong", None, b"x", 1)
        async with Client(settings=settings) as client:
            assert client._producer is not None
            await client._producer.send_and_wait(named.dead_letters.name, encode(dead))

    await letter(1)
    async with serving(settings) as calls, calls.get("/v1/dead-letters?from_start=true") as old:
        stream = told(old)
        assert (await anext(stream))[0] == "begun"
        async with asyncio.timeout(20):
            await letter(2)
            found = [await anext(stream) for _ in range(2)]
    assert [name for name, _ in found] == ["dead_letter"] * 2
    assert [json.loads(data)["offset"] for _, data in found] == [1, 2]


async def test_a_gateway_that_stops_ends_its_streams_and_answers_what_was_asked(settings: Settings) -> None:
    """Who waits for an answer gets it; who follows sees the end of the stream; nobody else is let in."""
    own = replace(settings, gateway_port=free_port())
    address = f"http://{HOST}:{own.gateway_port}"
    async with (
        open_client(own) as client,
        aiohttp.ClientSession(address) as calls,
        aiohttp.ClientSession(address) as others,
    ):
        gateway = Gateway(own, client, None)
        await gateway.start()
        async with calls.get("/v1/answers?user_id=u1") as stream:
            events = told(stream)
            assert (await anext(events))[0] == "begun"
            asked = asyncio.create_task(post(calls, "/v1/ask", b'{"request_id":"r1","user_id":"u1"}'))
            await asyncio.sleep(0.5)
            ending = asyncio.create_task(gateway.stop())
            async with asyncio.timeout(10):
                assert [one async for one in events] == []
        with pytest.raises(aiohttp.ClientError):
            await post(others, "/v1/ask", b"{}")
        assert not asked.done()
        assert not ending.done()
        async with Client(settings=own) as worker:
            await worker.publish_ready([answer_to("r1", "u1", worker)])
            assert (await asked)[0] == 200
        await ending


def answer_to(request_id: str, user_id: str, client: Client) -> Ready:
    """An answer as a worker would publish it."""
    key = user_id.encode()
    spec = client.topics.recommendations
    route = Route(spec, key, partition_for(key, spec.partitions))
    return Ready(route, encode(Answer(time=1, request_id=request_id, user_id=user_id)), None)


async def test_without_kafka_nothing_is_accepted_and_ready_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the advice to send it again, in time."""
    monkeypatch.setattr("streams.gateway.posting.ACKNOWLEDGED_WITHIN", 1.0)
    with EmbeddedBroker() as broker:
        own = Settings(kafka=broker.kafka, partitions=4, fetch_wait_ms=10)
        await create_topics(own)
        async with serving(own) as calls:
            async with calls.get("/ready") as answer:
                assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
            broker.stop()
            status, found = await post(calls, "/v1/events", click("e1"))
            assert status == 503
            assert "send them again" in found["error"]["message"]  # type: ignore[index]
            await asyncio.sleep(2.1)
            async with calls.get("/ready") as answer:
                assert answer.status == 503
                assert "Kafka at" in (await answer.json())["reasons"][0]
            async with calls.get("/health") as answer:
                assert answer.status == 200
