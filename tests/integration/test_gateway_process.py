"""`streamrank gateway` as a process beside a real worker: what it shows, how it ends, what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]

from bench.gateway import connected
from bench.processes import GatewayProcess
from bench.servers import RealKafka
from streamrank_client.answers import Answer
from streamrank_client.events import Click, decode_behavior, encode
from streamrank_client.making import new_id, now
from streamrank_client.settings import PREFIX
from streamrank_client.topics import topics
from streams.gateway.tokens import Tokens
from streams.kafka.admin import create_topics
from streams.lookup.stored_answer import StoredAnswer
from streams.lookup.user_profile import Profile
from streams.offline.servers import HOST, free_port
from streams.settings import Settings, checkout
from tests.integration.conftest import Shop
from tests.integration.test_gateway import behaviors, told


@pytest.fixture(scope="module")
def gateway(shop: Shop) -> Iterator[GatewayProcess]:
    """A gateway of the shop, which asks its worker for what the catalogue tells."""
    settings = replace(
        shop.settings, gateway_workers=f"http://{HOST}:{free_port()}, http://{HOST}:{shop.worker.port}",
        gateway_timeout_ms=20_000,
    )  # fmt: skip
    with GatewayProcess(settings) as process:
        yield process


@asynccontextmanager
async def calling(gateway: GatewayProcess) -> AsyncIterator[aiohttp.ClientSession]:
    """Calls of this gateway, with the cookies that it sets."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(f"http://{HOST}:{gateway.port}", cookie_jar=jar) as calls:
        yield calls


async def test_the_next_answer_has_learnt_from_a_posted_click(gateway: GatewayProcess) -> None:
    """A browser's cookie carries the place; the worker waits until the click is counted."""
    async with calling(gateway) as calls:
        for n in range(5):
            event = {"event": "purchase", "user_id": "http-user", "item_id": f"p{n}"}
            async with calls.post("/v1/events", json=event) as posted:
                assert posted.status == 202
                place = (await posted.json())["after"]
            async with calls.post("/v1/ask", json={"user_id": "http-user"}) as asked:
                answer = msgspec.json.decode(await asked.read(), type=Answer)
            assert answer.seen is not None
            assert answer.seen.offset >= place["offset"]
            assert not answer.after_unmet


async def test_users_and_explanations_come_from_a_worker_that_answers(gateway: GatewayProcess) -> None:
    """One of those named is not there; what is not stored is 404, a wrong parameter 400 with its name."""
    async with calling(gateway) as calls:
        async with calls.post("/v1/events", json={"event": "click", "user_id": "known", "item_id": "p1"}) as posted:
            assert posted.status == 202
        async with calls.post("/v1/ask", json={"user_id": "known", "text": "milk"}) as asked:
            request_id = (await asked.json())["request_id"]
        for _ in range(2):  # whichever of the two is asked first
            async with calls.get("/v1/users/known") as found:
                assert msgspec.json.decode(await found.read(), type=Profile).counts == {"click": 1}
            async with calls.get(f"/v1/explain/{request_id}?user_id=known") as found:
                assert msgspec.json.decode(await found.read(), type=StoredAnswer).text == "milk"
        async with calls.get("/v1/users/nobody%2Fat%20all") as found:
            assert found.status == 404
            assert "nobody/at all" in (await found.json())["error"]["message"]
        async with calls.get("/v1/users/known?time=noon") as found:
            assert found.status == 400
            error = (await found.json())["error"]
            assert (error["field"], error["value"]) == ("time", "noon")
        async with calls.get("/v1/explain/never-given") as found:
            assert (found.status, (await found.json())["error"]["code"]) == (404, "not_stored")


async def test_what_a_worker_refuses_is_told_as_a_dead_letter(gateway: GatewayProcess) -> None:
    """An event that can be read, and is too far ahead, is accepted by Kafka and refused by the worker."""
    async with calling(gateway) as calls, calls.get("/v1/dead-letters") as stream:
        letters = told(stream)
        assert (await anext(letters))[0] == "begun"
        ahead = {"event": "click", "user_id": "early", "item_id": "p1", "time": now() + 10 * 86_400_000}
        async with calls.post("/v1/events", json=ahead) as posted:
            assert posted.status == 202
        async with asyncio.timeout(20):
            name, data = await anext(letters)
    letter = json.loads(data)
    assert (name, letter["code"], letter["field"]) == ("dead_letter", "future", "time")


@pytest.mark.timeout(120)
async def test_a_gateway_that_is_ended_in_mid_request_has_lost_nothing_it_acknowledged(
    kafka: RealKafka, topic_prefix: str
) -> None:
    """Whatever got 202 lies in Kafka, single events and batches; the process ends by itself, with 0."""
    settings = Settings(kafka=kafka.kafka, topic_prefix=topic_prefix + "-", partitions=4)
    await create_topics(settings)
    acknowledged: set[str] = set()
    gone: list[type[BaseException]] = []

    async def posting(process: GatewayProcess, lines: int) -> None:
        async with connected(process.port) as connection:
            while True:
                ids = [new_id() for _ in range(lines)]
                clicks = [Click(event_id=name, user_id=name[:2], item_id="p1", time=now()) for name in ids]
                try:
                    status, _ = await connection.post("/v1/events", b"\n".join(map(encode, clicks)), "text/plain")
                except (OSError, asyncio.IncompleteReadError) as error:
                    gone.append(type(error))
                    return
                if status == 202:
                    acknowledged.update(ids)

    with GatewayProcess(settings) as process:
        tasks = [asyncio.create_task(posting(process, lines)) for lines in (1, 1, 1, 1, 500, 500)]
        await asyncio.sleep(2)
        running = process.process
        assert running is not None
        running.terminate()
        await asyncio.gather(*tasks)
        assert await asyncio.to_thread(running.wait, 30) == 0
        process.process = None
    assert len(gone) == 6
    assert len(acknowledged) > 1_000
    stored: set[str] = set()
    for _, raw in await behaviors(settings, await ends(settings)):
        stored.add(decode_behavior(raw).event_id)
    print(f"{len(acknowledged):,} events acknowledged, {len(acknowledged - stored)} of them lost")
    assert acknowledged <= stored


async def ends(settings: Settings) -> int:
    """How many behaviour events there are."""
    name = topics(settings.partitions, settings.topic_prefix).behavior_events.name
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(name, p) for p in range(settings.partitions)])
        return sum(found.values())
    finally:
        await consumer.stop()


def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `streamrank gateway` with settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {PREFIX + name.upper(): value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", "gateway", *arguments], capture_output=True, text=True, timeout=60,
        check=False, cwd=checkout(), env=clean | given,
    )  # fmt: skip


def test_a_gateway_that_cannot_serve_says_why_in_a_line(kafka: RealKafka, shop: Shop, tmp_path: Path) -> None:
    """Exit code 2: Kafka away, topics missing, an address without tokens, a port that is taken, a broken file."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("[tokens.a]\ntoken = 'a secret that is long'\nscopes = ['everything']\n")
    there = {"kafka": kafka.kafka, "topic_prefix": shop.settings.topic_prefix, "partitions": "4"}
    for settings, said in (
        ({"kafka": f"{HOST}:{free_port()}"}, "check STREAMRANK_KAFKA and the broker"),
        ({"kafka": kafka.kafka, "topic_prefix": "nowhere-"}, "streamrank topics create"),
        ({**there, "gateway_host": "0.0.0.0"}, "STREAMRANK_GATEWAY_HOST=0.0.0.0 is no loopback address"),
        ({**there, "gateway_port": str(shop.worker.port)}, f"STREAMRANK_GATEWAY_PORT={shop.worker.port} on 127.0.0.1"),
        ({**there, "gateway_tokens": str(tokens)}, "Invalid enum value 'everything'"),
    ):
        done = command(**settings)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        last = done.stderr.splitlines()[-1]
        assert last.startswith("streamrank: ")
        assert said in last
        assert "Traceback" not in done.stderr
        assert "a secret" not in done.stderr


def test_a_signed_token_is_printed_for_a_user(tmp_path: Path) -> None:
    """It holds for the minutes and the scopes named; without a key the command says what to add."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'signing_keys = ["{"k" * 32}"]\n')
    done = command("--sign", "u1", "--minutes", "5", "--scope", "ask", gateway_tokens=str(tokens))
    assert done.returncode == 0, done.stderr
    caller = Tokens(tokens).caller(done.stdout.strip().encode())
    assert caller is not None
    assert (caller.user_id, caller.scopes) == ("u1", frozenset(("ask",)))
    tokens.write_text(f'[tokens.a]\ntoken = "{"t" * 16}"\nscopes = ["ask"]\n')
    assert "signing_keys" in command("--sign", "u1", gateway_tokens=str(tokens)).stderr
    assert "STREAMRANK_GATEWAY_TOKENS" in command("--sign", "u1").stderr
    assert "expected some of" in command("--sign", "u1", "--scope", "all", gateway_tokens=str(tokens)).stderr
